"""The words of an arena besides the engine's: what each means, and what commits it.

    header     fixed words, written before anybody can see the arena; then what changes
    slots      SLOT_WORDS a process, its magazine among them; slot 0 is the arena itself
    metadata   the engine's
    holds      one to a few words a page, of which those of a buffer's first page are used
    directory  ENTRY_WORDS a kept buffer
    tickets    TICKET_WORDS a handle on its way

A process's hold on a buffer is a bit: of slots 0 to 47 below the count of tickets in the first of the
words, 64 more slots in each word after it. The bit of slot 0 means that the buffer is kept.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import u64

    # Compiled, these are constants of C: `_compiled.pyx` has them again, and a test compares the two.
    ARENA_MAGIC = 0x3141_4E45_5241_4250  # "PBARENA1", read as a little-endian word
    ARENA_VERSION = 2

    # Fixed.
    A_MAGIC = 0
    A_VERSION = 1  # 63..32 the byte order's mark, 31..0 the version
    A_BYTES = 2  # of the whole arena
    A_PAGE_SIZE = 3
    A_PAGES = 4
    A_MAX_ORDER = 5
    A_SLOTS = 6
    A_ENTRIES = 7  # of the directory
    A_TICKETS = 8
    A_LOCK = 9  # 63..32 whose mutex it is: see `lock_word`; 31..0 the kind
    A_ID_LOW = 10  # 128 random bits
    A_ID_HIGH = 11
    A_DATA = 12  # the byte where the pages start
    A_CHECKSUM = 15  # CRC-32 of the words above
    # What changes. The mutex, and what is stored whenever it is taken, share a cache line.
    A_MUTEX = 16  # MUTEX_WORDS of them
    A_BUSY = 22  # 63..32 slot + 1; 31..0 the operation; 0: nobody is at work
    A_POISONED = 23
    A_SERIAL = 24  # the last ticket's serial
    A_NUMBER = 25  # the last directory entry's number; 0: there never was an entry
    A_TOUCHED = 26  # the node after the last that ever was live, whatever recovery finds
    A_TICKETS_END = 27  # the entry after the last that ever was a ticket's
    A_NAMESPACE_DEVICE = 28  # of the pid namespace that the mutex serves
    A_NAMESPACE_INODE = 29
    A_TRIMS = 30  # how often free pages were given back to the system

    ARENA_WORDS = 64
    MUTEX_WORDS = 6

    LOCK_NONE = 0  # one process alone
    LOCK_MUTEX = 1
    LOCK_FILE = 2
    LOCK_FOREIGN = 3  # never stored: a process that must not touch the arena any more

    SLOT_WORDS = 16
    SLOT_STATE = 0  # 63: live; 31..0 generation, one more at each use
    SLOT_STICKY = 1  # not 0: processes that were forked from it share this slot
    SLOT_PID = 2  # this and what follows is for people; nothing is decided by it
    SLOT_START = 3
    SLOT_NAMESPACE = 4
    SLOT_NAME = 5
    SLOT_NAME_WORDS = 3
    SLOT_MAGAZINE = 8  # MAGAZINE_WORDS of them, a cache line

    # A round: 63 taken; 62..32 node; 31..27 pages; 26..0 of the generation, against flipped bits.
    MAGAZINE_WORDS = 8
    MOST_ROUND_PAGES = 16
    CHILDREN = 2  # the slot of all forked children, where one process alone is served

    FIRST_WORD_SLOTS = 48  # as many bits of the first word of holds are slots'
    MOST_TICKETS_EACH = 0xFFFF

    ENTRY_WORDS = 16
    ENTRY_STATE = 0  # 0: free; else 1 + the number that orders replacements
    ENTRY_NODE = 1  # 0: never used
    ENTRY_GENERATION = 2
    ENTRY_BYTES = 3
    ENTRY_KEY = 4  # 48 bytes, padded with zeros
    KEY_WORDS = 6

    TICKET_WORDS = 8
    TICKET_SERIAL = 0  # 0: free
    TICKET_NODE = 1
    TICKET_GENERATION = 2
    TICKET_BYTES = 3
    TICKET_SENT = 4  # ms, CLOCK_MONOTONIC
    TICKET_SENDER = 5  # 63..32 slot generation, 31..0 slot

    # What an operation answers; a node, which is larger, where it answers with one.
    DONE = 0
    NO_PAGES = 1
    LOCKED = 2  # another has the lock, and the time to wait is over
    OWN_LOCK = 3  # this thread has it
    POISONED = 4
    UNLOCKABLE = 5  # the system refuses
    CORRUPT = 6  # a fault was found, and mended
    FULL = 7
    TAKEN = 8
    SHARED = 9  # others can see the pages
    NOT_LIVE = 10
    NOT_FOUND = 11
    STALE = 12
    FOREIGN = 13  # this process is not the one that attached
    NO_TICKETS = 16
    UNBACKED = 17  # words may not be there: `backing` tells which

    # What the lock answers besides.
    OWNER_DIED = 14

    # How long one wait for the lock is, in milliseconds: signals are handled after each.
    SLICE_MS = 100
    # How long the end of an object waits, as the lock's owner may have been stopped: its hold then lasts
    # until the next operation of this process.
    LOCK_PATIENCE_MS = 1000
    # How long a fork waits before the child shares its parent's slot.
    FORK_PATIENCE_MS = 10000

    # What an UNBACKED operation misses: the node of a granule, or one of these.
    MISSING_DIRECTORY = 1
    MISSING_TICKETS = 2

    # A recording's tape, in bytes, both powers of two; the most that a line has; and letters, the first
    # of a word in its lowest byte.
    TAPE_BYTES = 0x10_0000
    TAPE_BLOCK = 0x1000
    TAPE_LINE = 40
    TAPE_ALLOC = 0x2C63_6F6C_6C61  # "alloc,"
    TAPE_FREE = 0x2C_6565_7266  # "free,"
    TAPE_ZERO = 0x30
    TAPE_COMMA = 0x2C
    TAPE_END = 0x0A

    # Operations, as `busy` tells them. What only looks at the arena is one as well: the engine's lists
    # are settled for it.
    OP_ALLOC = 1
    OP_DROP = 2
    OP_JOIN = 3
    OP_FIND = 4
    OP_KEEP = 5
    OP_UNKEEP = 6
    OP_RESIZE = 7
    OP_ATTACH = 8
    OP_DETACH = 9
    OP_REAP = 10
    OP_MEASURE = 11
    OP_BUFFERS = 12
    OP_ENTRIES = 13
    OP_VERIFY = 14
    OP_TAKE_FREE = 15
    OP_SEND = 16
    OP_CLAIM = 17
    OP_WITHDRAW = 18
    OP_FORK = 19
    OP_REPAIR = 20
    OP_REAP_TICKETS = 21
    OP_RECORD = 22

    # Invariants of arenas, beside the engine's.
    F_ORPHAN = 32
    F_HOLDER = 33
    F_TICKETS = 34
    F_KEPT = 35
    F_ENTRY = 36
    F_TICKET = 37
    F_MAGAZINE = 38

    def words_from_at(words: memoryview, index: u64) -> memoryview:
        """The words from one on."""
        return words[index:]


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_live_slot(state: u64) -> cython.bint:
    """Whether a slot's state says that a process has it, alive or dead."""
    return state >> 63 != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def hold_word(slot: u64) -> u64:
    """Which of a buffer's words has a slot's bit."""
    return (slot + 16) >> 6


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def hold_bit(slot: u64) -> u64:
    """A slot's bit in its word."""
    one: u64 = 1
    return one << slot if slot < 48 else one << ((slot + 16) & 63)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def tickets_in(word: u64) -> u64:
    """The count of tickets in the first word of a buffer's holds."""
    return word >> 48


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def round_of(node: u64, link: u64) -> u64:
    """What a magazine has of a live buffer: its node, and what its record says of it, abridged."""
    return node << 32 | (link >> 32 & 31) << 27 | link & 0x7FF_FFFF


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def taken(a_round: u64) -> u64:
    """The round, marked: whoever has the lock ends its hold."""
    one: u64 = 1
    return a_round | one << 63


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_taken(a_round: u64) -> cython.bint:
    """Whether a round is marked so."""
    return a_round >> 63 != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def node_in(a_round: u64) -> u64:
    """The node in a round."""
    return a_round >> 32 & 0x7FFF_FFFF
