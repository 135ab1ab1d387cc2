"""The words of an arena besides the engine's, and all numbers of the protocol.

    header     fixed words, written before another process can see the arena; then words that change
    slots      SLOT_WORDS for each process, its magazine included; slot 0 is the arena itself
    metadata   the engine's
    holds      one or more words for each page; those of a buffer's first page are used
    directory  ENTRY_WORDS for each kept buffer, and MORE_ENTRIES
    tickets    TICKET_WORDS for each handle on its way

A process's hold on a buffer is a bit. The first word of holds has the bits of slots 0 to 47, and above
them the number of tickets; each further word has 64 more slots. The bit of slot 0: the buffer is kept.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.arith import order_for
    from pagebuddy.core.words import pages_in, u64

    # Compiled, these are constants of C: setup.py makes `words.pxi` of them.
    ARENA_MAGIC = 0x3141_4E45_5241_4250  # "PBARENA1", read as a little-endian word
    ARENA_VERSION = 5

    # Fixed.
    A_MAGIC = 0
    A_VERSION = 1  # 63..32 the byte order's mark, 31..0 the version
    A_BYTES = 2  # of the whole arena
    A_PAGE_SIZE = 3
    A_PAGES = 4
    A_MAX_ORDER = 5
    A_SLOTS = 6
    A_ENTRIES = 7  # of the directory that can be in use: `keys=`
    A_TICKETS = 8
    A_LOCK = 9  # 63..32 whose mutex it is: see `lock_word`; 31..0 the kind
    A_ID_LOW = 10  # 128 random bits
    A_ID_HIGH = 11
    A_DATA = 12  # the byte where the pages start
    A_LIFE = 13  # ms after which the arena's handles expire, if they do not say otherwise; 0: never
    A_CHECKSUM = 15  # CRC-32 of the words above
    # These change. The mutex shares a cache line with the words that are stored when it is taken.
    A_MUTEX = 16  # MUTEX_WORDS of them
    A_BUSY = 22  # 63..32 slot + 1; 31..0 the operation; 0: no operation is running
    A_POISONED = 23
    A_SERIAL = 24  # the last ticket's serial
    A_NUMBER = 25  # the last directory entry's number
    A_TOUCHED = 26  # the node after the last page that was ever part of a buffer
    A_TICKETS_END = 27  # the index after the last entry that was ever used
    A_NAMESPACE_DEVICE = 28  # of the pid namespace that the mutex works in
    A_NAMESPACE_INODE = 29
    A_TRIMS = 30  # how often free pages were returned to the system
    A_ENTRIES_END = 31  # the index after the last entry that was ever used; 0: there never was one
    A_BOOTS = (
        32  # how often a process attached first: mutexes of rings do not outlive all processes
    )
    A_KEEPS = 33  # a futex that changes with each keep of a key while somebody waits for one
    A_WAITERS = 34  # not 0: somebody may wait for a key
    # Counters, for people; nothing is decided by them. In a cache line of their own.
    A_LOCK_WAITS = 40  # operations that got the lock after a wait
    A_FAILURES = 41  # allocations for which there were too few free pages
    A_REAPED = 42  # dead processes that were reaped
    A_EXPIRED = 43  # handles that nobody claimed in time

    ARENA_WORDS = 64
    MUTEX_WORDS = 6

    LOCK_NONE = 0  # one process only
    LOCK_MUTEX = 1
    LOCK_FILE = 2
    LOCK_FOREIGN = 3  # never stored: a process that must not use the arena any more

    SLOT_WORDS = 16
    # 63: live; 62: an allocation failed beside a trim; 61..32: pieces that its trims hold;
    # 31..0: generation, one more each time the slot is taken
    SLOT_STATE = 0
    SLOT_WANTED = 1 << 62
    SLOT_PIECE = 1 << 32
    SLOT_STICKY = 1  # not 0: forked children share this slot
    SLOT_PID = 2  # from here on for people: the protocol decides nothing by it
    SLOT_START = 3
    SLOT_NAMESPACE = 4
    SLOT_NAME = 5
    SLOT_NAME_WORDS = 3
    SLOT_MAGAZINE = 8  # MAGAZINE_WORDS of them: a cache line

    # A round: 63 marked; 62..32 node; 31..27 size; 26..0 of the generation, to detect flipped bits.
    MAGAZINE_WORDS = 8
    MOST_SMALL_PAGES = 16  # of a small round
    MOST_LARGE_ROUNDS = 2  # in a magazine
    MOST_LARGE_BYTES = 1 << 20  # of a large round
    LARGE_SHARE = 6  # it has at most 1 / 2^6 of all pages
    CHILDREN = 2  # the slot of all forked children, with LOCK_NONE

    FIRST_WORD_SLOTS = 48  # slots that have a bit in the first word of holds
    MOST_TICKETS_EACH = 0xFFFF

    ENTRY_WORDS = 16
    ENTRY_STATE = 0  # 0: free; else 1 + a number: the larger is newer
    ENTRY_NODE = 1
    # 63..32: the first entry of the bucket with this index; 31..0: the next entry in this one's bucket.
    ENTRY_BY_KEY = 2  # of entry 0, the low half: the first free entry; of a free one: the next
    ENTRY_BY_NODE = 3
    ENTRY_KEY = 4  # 47 bytes, padded with zeros, and one for the namespace
    ENTRY_GENERATION = 10
    ENTRY_BYTES = 11
    ENTRY_KEPT = 12  # when it got this key: ms since 1970; the three words after it are spare
    KEY_WORDS = 6

    # Namespaces of keys: what a key is for is in its last byte, so the same text may be used in each.
    FOR_BUFFERS = 0
    FOR_OBJECTS = 1
    FOR_QUEUES = 2
    FOR_TOPICS = 3

    # Entry 0 is the start of lists. One is left over in a full directory, so that a buffer can be kept
    # in place of another.
    MORE_ENTRIES = 2

    TICKET_WORDS = 8
    TICKET_SERIAL = 0  # 0: free
    TICKET_NODE = 1
    TICKET_GENERATION = 2
    TICKET_BYTES = 3
    TICKET_SENT = 4  # ms, CLOCK_MONOTONIC
    TICKET_SENDER = 5  # 63..32 slot generation, 31..16 group, 15..0 slot
    TICKET_CLAIMS = 6  # how many are left; ANY_CLAIMS: any number, until it expires
    ANY_CLAIMS = 0
    MOST_CLAIMS = 0xFFFF_FFFF
    # 62..0: how many ms after it was sent it expires, 0: never; 63: not before its sender has ended
    TICKET_LIFE = 7
    TIED = 1 << 63
    # A ticket of a ring's message: in place of its life, this and the ring's node; in place of the time
    # when it was sent, the generation of the ring's record.
    OF_RING = 1 << 62
    MOST_LIFE_MS = OF_RING - 1
    LIFE_AFTER_SENDER_MS = 60_000  # of a tied ticket
    MOST_GROUPS = 0xFFFF  # group 0: none

    # A ring: header, rows, cells, and a region of bytes. Its mutex lies as in the arena's header.
    RING_MAGIC = 0x3147_4E49_5242_5050  # "PPBRING1", read as a little-endian word
    # Fixed.
    R_MAGIC = 0
    R_KIND = 1
    R_CELLS = 2  # a power of two
    R_BYTES = 3  # of the region
    R_LIMIT = 4  # `maxsize` or `history`; 0: none
    R_ROWS = 5
    R_CREATED = 6  # ms since 1970, for people
    R_CHECKSUM = 7  # CRC-32 of the words above
    # These change. Words with a name of their own complement are followed by it.
    R_MUTEX = A_MUTEX
    R_BUSY = 22  # not 0: a process is between lock and unlock
    R_BOOT = 23  # of the mutex: A_BOOTS when it was made
    R_HEAD = 24  # the number of the next message
    R_TAIL = 26  # the number of the oldest message whose cell is in use
    R_READY = 28  # how many messages can be taken
    R_PENDING = 30  # and how many of them can be, or will be
    R_NEXT = 32  # no message below this one can be taken
    R_CLOSED = 34  # not 0: the ring was unlinked
    R_PUTS = 40  # futexes, each followed by the flag of its sleepers, and each in a cache line
    R_GETS = 48
    R_DONES = 56
    RING_WORDS = 64
    QUEUE = 1
    TOPIC_DROP = 2
    TOPIC_BLOCK = 3

    ROW_WORDS = 8
    ROW_STATE = 0  # 0, or a state as of a cell: its process puts messages, or reads them
    ROW_TASKS = 2  # 63..32 generation; 31..0: messages that were got and not reported as done
    ROW_NEXT = 2  # of a subscription: the number of the next message
    ROW_MISSED = 4  # two words: that with the parity of `ROW_NEXT` is valid

    CELL_WORDS = 8

    # A row of `messages/progress`, as long as a cache line.
    P_FIRST = 0  # the number of the first task of a batch
    P_COUNTS = (
        1  # 63..32 the low bits of that; 31..16 how many were started; 15..0 how many there are
    )
    P_WORDS = 8
    C_STATE = 0  # 63..32 the owner's slot's generation; 31..24 a sum; 23..8 its slot; 7..0 a code
    C_NUMBER = 1  # of the message
    C_START = 2  # of its bytes in the region, as a count that only grows
    C_SIZES = 3  # 47..32 how many tickets it has; 31..0 its bytes, references included
    C_CRC = 4  # 63..32 of the message; 31..0 a sum of the three words before
    # Words for each reference, in the rows of a request.
    REF_ROW = 3
    SPARE_REFS = 16  # for how many a spare request has rows
    WRITING = 0x33  # any two codes differ in several bits
    READY = 0x55
    IN_HAND = 0x66
    OVER = 0x0F
    VOID = 0x5A  # over, and was never ready
    PUTTING = 0x3C  # of a row: a producer
    READING = 0x69  # of a row: a subscription

    # The answer of an operation. A node, as an answer, is larger than all of these.
    DONE = 0
    NO_PAGES = 1
    LOCKED = 2  # another process or thread has the lock, and the time is over
    OWN_LOCK = 3  # this thread has the lock
    POISONED = 4
    UNLOCKABLE = 5  # the system refuses the lock
    CORRUPT = 6  # a fault was found and repaired
    FULL = 7
    TAKEN = 8
    SHARED = 9  # others may see the pages
    NOT_LIVE = 10
    NOT_FOUND = 11
    STALE = 12
    FOREIGN = 13  # another process attached: this one is its child or clone
    NO_TICKETS = 16
    UNBACKED = 17  # words may have no memory: `missing` says which
    DAMAGED = 18  # a ring's words contradict each other
    CLOSED = 19  # the ring was unlinked
    NOTHING_READY = 20
    MISSED = 21  # the message of a topic was evicted

    # Another answer of the lock.
    OWNER_DIED = 14

    # One wait for the lock: signals are handled after each.
    SLICE_MS = 100
    # How long the end of an object waits for the lock, whose owner may be stopped. After that, the next
    # operation of this process ends its hold, and no object waits before that. Signals are not handled
    # during this wait.
    LOCK_PATIENCE_MS = 50
    # How long a fork waits for the lock; after that, the child shares its parent's slot.
    FORK_PATIENCE_MS = 10000

    # Bytes that are locked, far beyond the end of the file.
    LEASE_BYTE = 1 << 62  # of slot 0; those of the other slots follow
    ATTACHING_BYTE = LEASE_BYTE - 2  # LEASE_BYTE - 1 is reserved for visitors
    PROBED_BYTE = LEASE_BYTE - 3
    LOCK_BYTE = LEASE_BYTE - 4

    # The state of a process that shares its slot, or did: see `holding/shared_slot.py`; and the mark.
    UNMARKED = 1
    MARKED = 2
    MARKED_STILL = 3
    OWN_OBJECT = 1 << 63

    # What an UNBACKED operation needs: the node of a granule, or one of these.
    MISSING_DIRECTORY = 1
    MISSING_TICKETS = 2

    # Bytes of a recording's tape, of a block of it, and of the longest line. Letters, the first one in
    # the lowest byte.
    TAPE_BYTES = 0x10_0000
    TAPE_BLOCK = 0x1000
    TAPE_LINE = 40
    TAPE_ALLOC = 0x2C63_6F6C_6C61  # "alloc,"
    TAPE_FREE = 0x2C_6565_7266  # "free,"
    TAPE_ZERO = 0x30
    TAPE_COMMA = 0x2C
    TAPE_END = 0x0A

    # Operations, as stored in A_BUSY. Reading is an operation too, because it changes the free lists.
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
    OP_LOOK_UP = 23
    OP_FORGET = 24
    OP_SEND_REFS = 25
    OP_HOLD_REFS = 26
    OP_END_REFS = 27
    OP_OPEN_RING = 28

    # What is done to a ring under its lock.
    RING_PUT = 1
    RING_RESERVE = 2
    RING_COMMIT = 3
    RING_TAKE = 4
    RING_GIVE_BACK = 5
    RING_GIVE_UP = 6
    RING_FIND_DEAD = 7
    RING_BURY = 8
    RING_TASK_DONE = 9
    RING_CLOSE = 10
    RING_LEAVE = 11
    RING_COUNT = 12
    RING_SUBSCRIBE = 13
    RING_UNSUBSCRIBE = 14
    RING_EVICT = 15
    RING_READ = 16
    RING_PASS = 17
    RING_MISSED = 18

    EVERYBODY = 0x7FFF_FFFF
    # How often a process looks whether a lock is free before it sleeps.
    LOCK_SPINS = 128
    # How long a waiter looks for a message before it sleeps: between these, as it turns out to help.
    MOST_SPIN_NS = 100_000
    LEAST_SPIN_NS = 2_000
    SLEEPS_PER_TRIAL = 32
    PAUSES_PER_LOOK = 8
    # It yields the processor meanwhile. If a yield takes longer, so many waits do not yield.
    LONG_YIELD_NS = 50_000
    LEAST_SWITCH_NS = 1_000
    LEAST_UNYIELDING = 1 << 2
    MOST_UNYIELDING = 1 << 16

    # Notes of a process, for its log: what was done, and how much of it. See `holding/notes.py`.
    MOST_NOTES = 64
    NOTE_WORDS = 8
    NOTE_DEAD = 1  # a process that is about to be reaped: its id, and the words of its name
    NOTE_REAPED = 2  # how many processes, and the buffers and pages that this freed
    NOTE_EXPIRED = 3  # how many handles, and the buffers and pages that this freed

    # Faults of arenas, besides the engine's; `failures.py` has their names.
    F_ORPHAN = 32
    F_HOLDER = 33
    F_TICKETS = 34
    F_KEPT = 35
    F_ENTRY = 36
    F_TICKET = 37
    F_MAGAZINE = 38
    F_DIRECTORY = 39

    def words_from_at(words: memoryview, index: u64) -> memoryview:
        """The words from `index` on."""
        return words[index:]


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_live_slot(state: u64) -> cython.bint:
    """Whether a slot's state says that a process took it, which may be dead by now."""
    return state >> 63 != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def pieces_in(state: u64) -> u64:
    """Return how many pieces the trims of a slot's process hold, from the slot's state."""
    return state >> 32 & 0x3FFF_FFFF


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def hold_word(slot: u64) -> u64:
    """The index, among a buffer's words of holds, of the one with a slot's bit."""
    return (slot + 64 - FIRST_WORD_SLOTS) >> 6


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def hold_bit(slot: u64) -> u64:
    """A slot's bit in its word."""
    one: u64 = 1
    if slot < FIRST_WORD_SLOTS:
        return one << slot
    return one << ((slot + 64 - FIRST_WORD_SLOTS) & 63)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def tickets_in(word: u64) -> u64:
    """The number of tickets in the first word of a buffer's holds."""
    return word >> FIRST_WORD_SLOTS


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_of_ring(life: u64) -> cython.bint:
    """Whether a ticket belongs to a ring's message, from the word for its life."""
    return life >> 62 == 1


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def size_of_round(n: u64) -> u64:
    """How a round says that it has n pages: up to 16 exactly, then by the smallest order with room."""
    return n if n <= MOST_SMALL_PAGES else MOST_SMALL_PAGES - 4 + order_for(n)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def size_in(a_round: u64) -> u64:
    """The size in a round."""
    return a_round >> 27 & 31


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def round_of(node: u64, link: u64) -> u64:
    """The word of a magazine for a live buffer: its node, its size, and part of its generation."""
    return node << 32 | (size_of_round(pages_in(link)) & 31) << 27 | link & 0x7FF_FFFF


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def taken(a_round: u64) -> u64:
    """The round, marked: a process with the lock is ending its hold."""
    one: u64 = 1
    return a_round | one << 63


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_taken(a_round: u64) -> cython.bint:
    """Whether a round is marked."""
    return a_round >> 63 != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def node_in(a_round: u64) -> u64:
    """The node in a round."""
    return a_round >> 32 & 0x7FFF_FFFF
