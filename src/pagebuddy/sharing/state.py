"""The state of an attachment: where an arena's words are, and what belongs to this process alone."""

from typing import TYPE_CHECKING, Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.arith import size
    from pagebuddy.core.state import State
    from pagebuddy.core.words import (
        FIRST_NODE,
        GRANULE,
        NO_PAGE,
        i64,
        store,
        u64,
        words_of,
        wrapped,
    )
    from pagebuddy.sharing.recording.tape import Tape
    from pagebuddy.sharing.system.atomic import fence, set_bits
    from pagebuddy.sharing.system.futex import futex_wait
    from pagebuddy.sharing.system.sleepers import announce_sleeper
    from pagebuddy.sharing.words import (
        A_KEEPS,
        A_TRIMS,
        ENTRY_WORDS,
        LOCK_MUTEX,
        MOST_NOTES,
        NOTE_WORDS,
        SLOT_MAGAZINE,
        SLOT_WORDS,
        TICKET_WORDS,
    )

if TYPE_CHECKING:
    from pagebuddy.memory.medium import Medium
    from pagebuddy.sharing.layout import Layout


@cython.no_gc
@cython.cclass
class ArenaState(State):
    """An arena's words as this process has them mapped, its slot, and its counts of objects.

    These hold:
    - What describes the arena is set once.
    - `local[node - FIRST_NODE]` is one less than the number of this process's objects for the buffer
      there; it changes only under the arena's lock. Without an object it is 0 as well. Bit 63 marks
      buffers with an object while this process shares its slot.
    - A deferred hold belongs to an object that is gone; it counts as a hold until it is ended.
    - The engine sees one section, which is always in use.
    """

    base: cython.p_ulonglong  # the arena's first word
    slots: cython.p_ulonglong
    holds: cython.p_ulonglong
    entries: cython.p_ulonglong
    tickets: cython.p_ulonglong
    local: cython.p_ulonglong

    n_slots: u64
    n_places: u64  # entries of the directory, used or not
    n_tickets: u64
    words_of_holds: u64  # for each page
    data_address: u64
    page_bits: u64
    readonly: cython.bint  # whether this process may only read the pages

    slot: u64  # 0 until this process has one
    my_word: u64  # in a buffer's holds
    my_bit: u64

    magazine: u64  # the index of its first word in `slots`; 0 if this process has none
    top_round: u64  # the index in it of the last round that was loaded
    most_rounds: u64  # at most so many rounds are in it: others may have taken some out
    is_full: cython.bint  # the last buffer found no room
    large_due: u64  # large buffers allocated and not cached since, at most MOST_LARGE_ROUNDS
    away: u64  # threads that may be in an operation without the GIL

    lock_kind: u64
    fd: i64  # the arena's file, or -1
    lock_fd: i64  # the same file, opened again for the lock, or -1
    device: u64
    inode: u64
    # A lock for the threads of this process, for lock kinds that exclude only processes; deferred holds.
    gate: cython.p_void
    deferred: cython.p_void

    # Buffers at nodes below this one are recorded. The tape of the last recording stays.
    recorded: u64
    tape: Tape

    # The owners keep the memory alive as long as the pointers into it: the garbage collector clears
    # memoryviews, but not the owners of their memory. The rest is for attaching and detaching.
    owners: Any
    _memory: Any
    _medium: Any
    _layout: Any
    local_memory: Any
    lease: Any  # uncompiled, a Lease or None
    lease_address: u64
    lease_bytes: u64
    next_ticket: u64  # where to start looking for a free one

    # Where words may have no memory: how many entries of the directory and tickets are known to be
    # backed; and a bit for each page, until pages are returned to the system.
    known_entries: u64
    known_tickets: u64
    known_pages: cython.p_ulonglong
    seen_trims: u64

    # A fork in progress, and whether this slot is shared with other processes. `unsettled` is not 0 as
    # long as there are marks or holds without an object: see `holding/shared_slot.py`.
    fork_slot: u64
    fork_locked: cython.bint
    sticky: cython.bint
    unsettled: u64
    n_shares: u64  # how often this process shared its slot
    tally: i64  # by which the system counts who shares it, and its address, or 0
    tally_address: u64
    seen_by_children: cython.bint  # who have no slots or leases: the arena is for one process
    child_lease: Any  # uncompiled, a Lease or None
    child_lease_address: u64
    child_lease_bytes: u64

    # Uncompiled: whether this is being destroyed, and whether a fork is made inside an operation.
    ending: cython.bint
    fork_inside: cython.bint

    # Raw buffers, compiled: whether the last of their calls waited for the lock in vain, and how many
    # arrays got other memory.
    hasty: cython.bint
    fallbacks: u64

    # What is to be told in the log, how much was ever noted, and how much of it was told; and what
    # reaping freed so far. See `holding/notes.py`.
    notes: cython.p_ulonglong
    n_noted: u64
    n_told: u64
    freed_buffers: u64
    freed_pages: u64

    # The fault that the last operation found, for its error.
    seen_fault: u64
    seen_node: u64

    @property
    def layout(self) -> "Layout":
        """Where everything lies."""
        return self._layout  # type: ignore[no-any-return]

    @property
    def medium(self) -> "Medium":
        """Where the bytes come from."""
        return self._medium  # type: ignore[no-any-return]

    @property
    def memory(self) -> memoryview:
        """All words before the pages."""
        return self._memory  # type: ignore[no-any-return]

    @property
    def extent(self) -> tuple[int, int]:
        """The address of the first page in this process, and the size of all pages in bytes."""
        return self.data_address, self.total << self.page_bits

    def read_only(self) -> None:
        """Only read the pages from now on, before there is a slot."""
        self.readonly = True

    @property
    def is_readonly(self) -> bool:
        """Whether this process may only read the pages."""
        return bool(self.readonly)

    def mind_holes(self, bits: memoryview, n_words: int) -> None:
        """From now on, check that words are backed before a store to them.

        `bits` are zeroed words: twice n_words, with a bit for each granule, then a bit for each page.
        """
        self.owners = (*self.owners, bits.obj)
        self.known = words_of(bits[:n_words])
        self.stored = words_of(bits[n_words : 2 * n_words])
        self.known_pages = words_of(bits[2 * n_words :])
        self.seen_trims = self.base[A_TRIMS]
        self.skew = self._layout.records_at % GRANULE
        self.sparse = True

    @property
    def end_of_known_groups(self) -> int:
        """The place up to which groups are known to be backed."""
        return self.known_groups

    def knows(self, granule: int) -> bool:
        """Whether this process knows a granule to be backed."""
        return self.known[granule >> 6] >> (granule & 63) & 1 != 0

    def knows_pages(self, first: int, n: int) -> bool:
        """Whether n pages of a live buffer are known to be backed."""
        return bool(are_known_pages(self, first, n))

    def know_pages(self, first: int, n: int) -> None:
        """Note that these pages are backed."""
        note_pages(self, first, n)

    def know(self, granules: Any, groups: int = 0, tickets: int = 0, entries: int = 0) -> None:
        """Note as backed: granules, groups below a place, tickets and entries below an index."""
        for granule in granules:
            self.known[granule >> 6] |= size(granule & 63)
        self.known_groups = max(self.known_groups, groups)
        self.known_tickets = max(self.known_tickets, tickets)
        self.known_entries = max(self.known_entries, entries)

    def announce_wait(self) -> int:
        """Say that this process waits for a key; return what `sleep_until_kept` takes."""
        return int(announce_sleeper(self.base, A_KEEPS))

    def sleep_until_kept(self, seen: u64, milliseconds: u64) -> None:
        """Sleep until something is kept under a key, at most so long, and handle signals."""
        if cython.compiled:
            with cython.nogil:  # type: ignore[attr-defined]
                futex_wait(self.base, A_KEEPS, seen, milliseconds)
            handle_signals()  # type: ignore[name-defined]  # noqa: F821
        else:
            futex_wait(self.base, A_KEEPS, seen, milliseconds)

    def fileno(self) -> int:
        """The descriptor of the arena's file."""
        return self.fd

    def use_medium(self, medium: "Medium") -> None:
        """Use another medium, which has taken over the mapping of the one before."""
        self._medium = medium

    def use_descriptor(self, fd: int) -> None:
        """Use this descriptor of the arena's file from now on; the medium owns it."""
        self.fd = fd

    def locks_by(self, kind: int) -> bool:
        """Whether the arena's lock is of that kind."""
        return bool(self.lock_kind == kind)

    def words_of_engine(self) -> memoryview:
        """The engine's metadata: what `BuddyAllocator.attach` takes."""
        return self.words_owner

    def new_tape(self, fd: int, at: int) -> Tape:
        """Make the tape of a recording into a file that has `at` bytes already; OP_RECORD starts it."""
        self.tape = Tape(fd, at)
        return self.tape

    @property
    def is_recorded(self) -> bool:
        """Whether this process records the arena."""
        return self.recorded != 0

    @property
    def has_notes(self) -> bool:
        """Whether there are notes that were not taken yet."""
        return bool(self.n_told != self.n_noted)

    def take_notes(self) -> list[tuple[int, ...]]:
        """Return the words of the notes that were not taken yet, the oldest first."""
        notes: list[tuple[int, ...]] = []
        first: u64 = self.n_told
        end: u64 = self.n_noted
        number: u64 = first
        while number < end:
            at: u64 = number % MOST_NOTES * NOTE_WORDS
            notes.append(tuple([self.notes[at + i] for i in range(NOTE_WORDS)]))
            number += 1
        if self.n_told != first:
            # A finalizer or another thread took them meanwhile.
            return []
        # Only now may other notes be stored there.
        self.n_told = end
        return notes

    @property
    def numpy_fallbacks(self) -> int:
        """How many arrays of numpy got memory outside of the arena, although they should lie in it."""
        return self.fallbacks


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def are_known_pages(a: ArenaState, first: u64, n: u64) -> cython.bint:
    """Whether n pages of a live buffer are known to be backed. Several threads may ask at once."""
    i: u64 = 0
    trims: u64 = a.base[A_TRIMS]
    if a.seen_trims != trims:
        while i <= a.total >> 6:
            store(a.known_pages, i, 0)
            i += 1
        # Only then do other threads believe the bits.
        fence()
        a.seen_trims = trims
    i = first
    left: u64 = n
    while left:
        there: u64 = a.known_pages[i >> 6] >> (i & 63)
        many: u64 = 64 - (i & 63)
        if left < many:
            many = left
        if ~there & (NO_PAGE >> (64 - many)):
            return False
        i += many
        left -= many
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def note_pages(a: ArenaState, first: u64, n: u64) -> cython.void:
    """Note that n pages of a live buffer are backed."""
    i: u64 = first
    left: u64 = n
    while left:
        many: u64 = 64 - (i & 63)
        if left < many:
            many = left
        set_bits(a.known_pages, i >> 6, NO_PAGE >> (64 - many) << (i & 63))
        i += many
        left -= many


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def add_count(a: ArenaState, counter: u64, n: u64) -> cython.void:
    """Add to a counter in the header, which is for people."""
    store(a.base, counter, wrapped(a.base[counter] + n))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def holds_at(a: ArenaState, node: u64) -> u64:
    """The index of a buffer's first word of holds."""
    return (node - FIRST_NODE) * a.words_of_holds


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def slot_at(slot: u64) -> u64:
    """The index of a slot's first word."""
    return slot * SLOT_WORDS


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def magazine_at(slot: u64) -> u64:
    """The index of the first word of a slot's magazine."""
    return slot * SLOT_WORDS + SLOT_MAGAZINE


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def own_magazine(a: ArenaState, slot: u64) -> u64:
    """The same for this process's slot; 0 if it has none, or no mutex, or may only read the pages."""
    return magazine_at(slot) if slot and a.lock_kind == LOCK_MUTEX and not a.readonly else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def entry_at(index: u64) -> u64:
    """The index of a directory entry's first word."""
    return index * ENTRY_WORDS


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def ticket_at(index: u64) -> u64:
    """The index of a ticket's first word."""
    return index * TICKET_WORDS
