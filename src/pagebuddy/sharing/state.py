"""A process's attachment to an arena: where the words are, and what is this process's own."""

from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.arith import size
    from pagebuddy.core.state import State
    from pagebuddy.core.words import GRANULE, N_HEADS, NO_PAGE, i64, u64, words_of
    from pagebuddy.sharing.recording.tape import Tape
    from pagebuddy.sharing.words import (
        A_TRIMS,
        ENTRY_WORDS,
        SLOT_MAGAZINE,
        SLOT_WORDS,
        TICKET_WORDS,
    )


@cython.no_gc
@cython.cclass
class ArenaState(State):
    """The words of an arena as this process has them mapped, its slot, and its local counts.

    There is one for each arena in a process. These hold:
    - Everything but `slot`, `lease` and the local counts is set once.
    - `local[node - N_HEADS]` is one less than the number of local objects that use the buffer there;
      it is changed under the arena's lock alone.
    - What is deferred is a hold that nobody needs any more, and counts as a hold until it is ended.
    """

    base: cython.p_ulonglong  # the arena's first word
    slots: cython.p_ulonglong
    holds: cython.p_ulonglong
    entries: cython.p_ulonglong
    tickets: cython.p_ulonglong
    local: cython.p_ulonglong

    n_slots: u64
    n_entries: u64
    n_tickets: u64
    words_of_holds: u64  # of each page
    data_address: u64
    page_bits: u64

    slot: u64  # 0 as long as this process has none
    my_word: u64  # in a buffer's holds
    my_bit: u64

    magazine: u64  # where it is among the slots; 0 as long as this process has none
    top_round: u64  # where in it the last round was put
    most_rounds: u64  # how many rounds there are, and others have taken some of these perhaps
    is_full: cython.bint  # it had no room for the last one
    away: u64  # threads that may be in an operation without the interpreter's lock

    lock_kind: u64
    fd: i64  # the arena's file, or -1
    lock_fd: i64  # the same file, opened afresh to be locked, or -1
    device: u64
    inode: u64
    # Threads of this process, where the arena's lock is for processes alone; and deferred ends.
    gate: cython.p_void
    deferred: cython.p_void

    # What is recorded: buffers at nodes below this one. The last recording's tape stays.
    recorded: u64
    tape: Tape

    # The memory must live as long as the pointers into it; the rest is for those who make and end this.
    # The garbage collector clears memoryviews; it does not clear what owns their memory.
    owners: Any
    _memory: Any
    _medium: Any
    _layout: Any
    local_memory: Any
    lease: Any
    lease_address: u64
    lease_bytes: u64
    next_ticket: u64  # where to look first for a free one

    # Where words may be missing: whether the directory, and how many tickets, are known to be there; and
    # a bit for each page, as long as no pages were given back to the system since.
    known_directory: cython.bint
    known_tickets: u64
    known_pages: cython.p_ulonglong
    seen_trims: u64

    # A fork that is under way, and whether this slot is shared with a child.
    fork_slot: u64
    fork_locked: cython.bint
    sticky: cython.bint
    seen_by_children: cython.bint  # without a slot or a lease of theirs
    child_lease: Any
    child_lease_address: u64
    child_lease_bytes: u64

    # The fault that an operation found, for the error that tells it.
    seen_fault: u64
    seen_node: u64

    @property
    def layout(self) -> Any:
        """Where everything lies."""
        return self._layout

    @property
    def medium(self) -> Any:
        """Where the bytes come from."""
        return self._medium

    @property
    def memory(self) -> Any:
        """All words before the pages."""
        return self._memory

    @property
    def extent(self) -> tuple[int, int]:
        """The address of the first page in this process, and the bytes of all."""
        return self.data_address, self.total << self.page_bits

    def mind_holes(self, bits: Any, n_words: int) -> None:
        """Let nothing be stored where the file may have a hole.

        Given are zeroed words: twice n_words, which have a bit a granule, and those that have a bit a
        page.
        """
        self.owners = (*self.owners, bits.obj)
        self.known = words_of(bits[:n_words])
        self.stored = words_of(bits[n_words : 2 * n_words])
        self.known_pages = words_of(bits[2 * n_words :])
        self.seen_trims = self.base[A_TRIMS]
        self.skew = self._layout.links_at % GRANULE
        self.sparse = True

    @property
    def end_of_known_bits(self) -> int:
        """The place up to which bits are known to be backed."""
        return self.known_bits

    def knows(self, granule: int) -> bool:
        """Whether this process knows a granule to be backed."""
        return self.known[granule >> 6] >> (granule & 63) & 1 != 0

    def knows_pages(self, first: int, n: int) -> bool:
        """Whether n pages of a live buffer are known to be backed."""
        i: u64 = 0
        if self.seen_trims != self.base[A_TRIMS]:
            self.seen_trims = self.base[A_TRIMS]
            while i <= self.total >> 6:
                self.known_pages[i] = 0
                i += 1
        i = first
        left: u64 = n
        while left:
            there: u64 = self.known_pages[i >> 6] >> (i & 63)
            many: u64 = 64 - (i & 63)
            if left < many:
                many = left
            if ~there & (NO_PAGE >> (64 - many)):
                return False
            i += many
            left -= many
        return True

    def know_pages(self, first: int, n: int) -> None:
        """Know from now on that these are backed."""
        i: u64 = first
        left: u64 = n
        while left:
            self.known_pages[i >> 6] |= size(i & 63)
            i += 1
            left -= 1

    def know(self, granules: Any, bits: int, tickets: int, directory: bool) -> None:
        """Know from now on that these are backed; tables only up to an end."""
        for granule in granules:
            self.known[granule >> 6] |= size(granule & 63)
        self.known_bits = max(self.known_bits, bits)
        self.known_tickets = max(self.known_tickets, tickets)
        self.known_directory = self.known_directory or directory

    def fileno(self) -> int:
        """The descriptor of the arena's file."""
        return self.fd

    def locks_by(self, kind: int) -> bool:
        """Whether the arena's lock is of that kind."""
        return bool(self.lock_kind == kind)

    def words_of_engine(self) -> memoryview:
        """The engine's metadata: what `BuddyAllocator.attach` takes."""
        return self.words_owner

    def new_tape(self, fd: int, at: int) -> Any:
        """Have a tape for a recording into a file of so many bytes; `OP_RECORD` starts and stops it."""
        self.tape = Tape(fd, at)
        return self.tape

    @property
    def is_recorded(self) -> bool:
        """Whether a recording is under way, in this very process."""
        return self.recorded != 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def holds_at(a: ArenaState, node: u64) -> u64:
    """Where the words of holds of a buffer are."""
    return (node - N_HEADS) * a.words_of_holds


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def slot_at(slot: u64) -> u64:
    """Where a slot's words are."""
    return slot * SLOT_WORDS


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def magazine_at(slot: u64) -> u64:
    """Where the words of a slot's magazine are."""
    return slot * SLOT_WORDS + SLOT_MAGAZINE


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def entry_at(index: u64) -> u64:
    """Where the words of a directory entry are."""
    return index * ENTRY_WORDS


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def ticket_at(index: u64) -> u64:
    """Where the words of a ticket are."""
    return index * TICKET_WORDS
