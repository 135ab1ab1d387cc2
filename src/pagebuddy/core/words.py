"""The meaning and the position of each 64-bit word of the metadata.

    header    HEADER_WORDS words: geometry, then variables
    table     two words a page range: first page, number of pages
    groups    GROUP_WORDS words for each list head, then for each group of 64 pages
    records   FIRST_NODE words for places where spans wait, then one word a page

A *group* is 64 pages that start at a multiple of 64, or those of them that are in one page range:

    free bits   bit i: page i of the group is free, and in no larger block
    copy        the same word again: a flipped bit shows
    link        63..57 order of the list + 1, 0: in none   56 its parity
                55..28 previous group   27..0 next group

The list of order k < 6 contains the groups whose largest aligned free run has 2^k pages. Those of higher
orders contain free blocks of whole groups, each listed by its first group.

A record word is one of

    record    63 = 1   62..32 number of pages   31..0 generation       a live span's first page
    0                                                                  any other page

A *node* is the index of a record word. A *place* is a page number minus a multiple of the largest
block's size: aligned as the page is, and without overflow. A group is known by a number too: that of a
list head if it is below N_LISTS, else the groups of all page ranges are counted on from there.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    # Compiled, these are C constants: setup.py generates them from this file.
    u64 = int
    i64 = int

    MAGIC = 0x3130_5942_4547_4150  # "PAGEBY01", read as a little-endian word
    BYTE_ORDER = 0x0102_0304

    # Geometry: written once.
    H_MAGIC = 0
    H_VERSION = 1  # 63..32 the byte order's mark, 31..0 the version
    H_WORDS = 2  # of all the metadata
    H_PAGE_SIZE = 3
    H_MAX_ORDER = 4
    H_SECTIONS = 5  # how many page ranges
    H_PAGES = 6
    H_CHECKSUM = 7  # CRC-32 of the words above and the table
    # Variables.
    H_GENERATION = 8
    H_MASK = 9  # bit k: the list of order k is not empty
    H_HIGH_WATER = 10  # the node after the last that was ever live
    H_ASIDE = 11  # the span aside: 62..32 number of pages; 31..0 first node; 0: none
    H_ASIDE_COPY = 12  # the same word again
    H_FRONT = 13  # the rest of the group that was opened last, in the same form
    H_FRONT_COPY = 14
    # Groups from which a span was taken last: hints, which may have any value.
    H_OPEN = 15  # of any span that was not waiting or aside
    H_AREA = 16  # of a single page

    VERSION = 2
    HEADER_WORDS = 64
    TABLE_WORDS = 2  # a page range, in the metadata
    SECTION_WORDS = 4  # a page range, in the private copy of the geometry
    T_PAGE = 0  # first page
    T_PAGES = 1  # number of pages
    T_NODE = 2  # first node
    T_GROUP = 3  # first group

    GROUP_ORDER = 6
    GROUP_PAGES = 64
    GROUP_WORDS = 3
    G_FREE = 0
    G_COPY = 1
    G_LINK = 2
    N_LISTS = 32
    PARITIES = 0x6996966996696996  # bit i: whether i has an odd number of bits
    MAX_GROUPS = 0xFFF_FFFF  # a link has 28 bits for each neighbour
    AREA_GROUPS = 8  # 2 MiB of 4 KiB pages
    AREA_ORDER = 2  # a group without larger runs is mostly used

    # Where spans of 2^k < 64 pages wait: a cache line for each order, their number first.
    WAIT_WORDS = 8
    MOST_WAITING = 7
    FIRST_NODE = 64
    TOP_ORDER = 31
    MAX_PAGES = 0x7FFF_FFC0  # 2^31 - 64: a node has 31 bits
    NO_PAGE = 0xFFFF_FFFF_FFFF_FFFF  # the highest page, or none
    ALL_BITS = 0xFFFF_FFFF_FFFF_FFFF
    ONE_TWICE = 0x1_0000_0001

    # Why the engine stopped. `pagebuddy.allocator.refusals` has the texts.
    F_NONE = 0
    F_NEIGHBOURS = 1
    F_HEAD = 2
    F_GROUP = 3
    F_ASIDE = 4
    F_RECORD = 5
    F_FREE = 6
    F_OVERLAP = 7
    F_LIST = 8
    F_MASK = 9
    F_WAIT = 10
    F_CLEAN = 11
    F_MERGED = 12
    F_HIGH_WATER = 13

    GRANULE = 512  # words that are backed together: see `granules`
    MISSING = 63  # not an invariant: the engine stopped before words that may not be backed

    CHECKED = True  # False only in a build that measures the cost of the checks

    def never() -> None:
        """Tell the C compiler that this is never reached, so that it leaves out the check before it."""

    def low(word: u64) -> u64:
        """Bits 31..0."""
        return word & 0xFFFF_FFFF

    def wrapped(number: u64) -> u64:
        """A sum or a difference modulo 2^64, as in C."""
        return number & 0xFFFF_FFFF_FFFF_FFFF

    def opaque(number: u64) -> u64:
        """The same number, of which the C compiler knows nothing."""
        return number

    def rare(condition: bool) -> bool:
        """The same condition. The C compiler keeps what depends on it out of the way."""
        return condition

    def words_of(view: memoryview) -> memoryview:
        """The words of a view, as the engine takes them. Compiled, this is their address."""
        return view

    bytes_of = words_of

    def store(words: memoryview, index: u64, value: u64) -> None:
        """Store a word in one piece; the compiler moves no other store across it.

        Compiled, a relaxed atomic store between compiler fences. Uncompiled, every store is like that.
        """
        words[index] = value


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_live(word: u64) -> cython.bint:
    """Whether a record word is a record."""
    return word >> 63 != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def pages_in(word: u64) -> u64:
    """The number of pages in a record, or in the word of the span aside."""
    return (word >> 32) & 0x7FFF_FFFF


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def record(n: u64, generation: u64) -> u64:
    """The record of a live span of n pages."""
    live: u64 = 1
    return live << 63 | n << 32 | generation


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def twice(number: u64) -> u64:
    """A word that contains a number of 32 bits twice: no flipped bit makes it another number."""
    return number << 32 | number


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_twice(word: u64) -> cython.bint:
    """Whether a word contains the same number twice."""
    return word >> 32 == low(word)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def list_of(link: u64) -> u64:
    """The order of the list that a group is in, plus one; 0 if it is in none."""
    return link >> 57


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def in_list(k: u64) -> u64:
    """The bits of a link that say that a group is in the list of order k.

    No flipped bit makes them those of another list.
    """
    return k + 1 << 57 | (PARITIES >> (k + 1) & 1) << 56


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def has_sound_order(link: u64) -> cython.bint:
    """Whether a link has the order of a list with its parity."""
    listed: u64 = link >> 57
    return listed <= N_LISTS and (PARITIES >> listed & 1) == (link >> 56 & 1)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def group_before(link: u64) -> u64:
    """The group before, in a list."""
    return (link >> 28) & 0xFFF_FFFF


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def group_after(link: u64) -> u64:
    """The group after, in a list."""
    return link & 0xFFF_FFFF
