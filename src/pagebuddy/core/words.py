"""The meaning and the position of each 64-bit word of the metadata.

    header    HEADER_WORDS words: geometry, then variables, then a count for each order
    table     two words a page range: first page, number of pages
    bits      two bits a page: the block of order k at place i has bit 2i + 2^k
    links     N_HEADS list heads, then one word a page

A link word is one of

    link      63..32 previous node (bit 63 is 0)   31..0 next node     a free block's first page
    record    63 = 1   62..32 number of pages   31..0 generation       a live span's first page
    0                                                                  any other page

A *node* is the index of a link word: a list head if it is below N_HEADS, else a page. A *place* is a
page number minus a multiple of the largest block's size: aligned as the page is, and without overflow.
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
    H_ASIDE = 9  # the cached run: 63 a remainder; 62..32 number of pages; 31..0 first node; 0: none
    H_MASK = 10  # bit k: the list of order k is not empty
    H_HIGH_WATER = 11  # the node after the last that was ever live
    H_COUNTS = 16  # free blocks, per order

    VERSION = 1
    HEADER_WORDS = 64
    TABLE_WORDS = 2  # a page range, in the metadata
    SECTION_WORDS = 4  # a page range, in the private copy of the geometry
    T_PAGE = 0  # first page
    T_PAGES = 1  # number of pages
    T_NODE = 2  # first node
    T_BITS = 3  # first word of its bits
    N_HEADS = 64
    TOP_ORDER = 31
    MAX_PAGES = 0x7FFF_FFC0  # 2^31 - 64: a node has 31 bits
    NO_PAGE = 0xFFFF_FFFF_FFFF_FFFF  # the highest page, or none

    # Why the engine stopped. `pagebuddy.allocator.refusals` has the texts.
    F_NONE = 0
    F_NEIGHBOURS = 1
    F_HEAD = 2
    F_BIT = 3
    F_ASIDE = 4
    F_RECORD = 5
    F_FREE = 6
    F_OVERLAP = 7
    F_LIST = 8
    F_MASK = 9
    F_COUNT = 10
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
    """Whether a link word is a record."""
    return word >> 63 != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def pages_in(word: u64) -> u64:
    """The number of pages in a record, or in the word of the cached run."""
    return (word >> 32) & 0x7FFF_FFFF


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def remainder(n: u64, node: u64) -> u64:
    """The word of a cached run of n pages that is the rest of a block."""
    left: u64 = 1
    return left << 63 | n << 32 | node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def record(n: u64, generation: u64) -> u64:
    """The record of a live span of n pages."""
    live: u64 = 1
    return live << 63 | n << 32 | generation
