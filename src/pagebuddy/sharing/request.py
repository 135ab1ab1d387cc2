"""A request: the arguments of one operation on an arena, and its results."""

from array import array
from typing import TYPE_CHECKING, Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import FIRST_NODE, u64, words_of
    from pagebuddy.sharing.words import KEY_WORDS, tickets_in

    def new_row(kind: Any, *values: Any) -> Any:
        """Make a row with these attributes. Compiled, this calls no Python code."""
        return kind(*values)


if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Answer


def key_words(key: str, namespace: int = 0) -> memoryview:
    """Return a key of at most 47 ASCII characters as words, padded with zeros, and its namespace."""
    text = str.encode(key, "ascii").ljust(KEY_WORDS * 8 - 1, b"\0")
    return memoryview(text + bytes((namespace,))).cast("Q")


# Shared by the many requests that have no key or no rows: nothing is stored there.
NO_KEY = key_words("")
NO_ROWS = memoryview(array("Q", [0]))


@cython.cclass
class Request:
    """The arguments and results of one operation; each `do_` function says which of them it uses.

    `rows` is room for words. An operation that fills it sets `n_rows` to the number of words stored. A
    list that does not fit is continued by the next request, from `node` or `entry`.
    """

    # The buffer.
    node: u64
    n_pages: u64
    n_bytes: u64
    align: u64  # of an allocation, in pages
    generation: u64
    n_untouched: u64  # pages of a new buffer that nobody ever used
    n_more_objects: u64  # objects that the caller of a resize makes for the buffer
    is_unseen: cython.bint  # whether no view of the buffer can exist in this process
    missing: u64  # what an UNBACKED operation needs

    # Its key and its ticket.
    key: cython.p_ulonglong
    key_owner: Any
    replace: cython.bint  # whether the key may be taken from another buffer
    entry: u64  # of the directory
    ticket_index: u64
    serial: u64
    now_ms: u64
    least_age_ms: u64
    n_claims: u64  # of a new ticket, or ANY_CLAIMS
    life_ms: u64  # of a new ticket, and whether it is tied
    is_one_claim: cython.bint  # whether a withdrawal gives up only one of the claims that are left
    group: u64  # of tickets, or 0

    # A ring, and where in it the references of a message lie; 0: the words of `rows`.
    ring: cython.p_ulonglong
    ring_owner: Any
    ring_node: u64
    refs_at: u64

    # The process, and what was done or found.
    slot: u64
    is_recorded: cython.bint  # whether to record from now on
    n_ended: u64  # dead processes, or tickets
    n_buffers: u64
    n_kept: u64
    n_pieces: u64  # held by trims while an allocation failed
    n_tickets: u64
    n_failed: u64  # allocations that failed, which a measurement counts in the arena
    free_pages: u64
    longest_run: u64
    fault: u64
    rows: cython.p_ulonglong
    n_rows: u64
    rows_owner: Any

    def __init__(
        self,
        node: int = 0,
        n_pages: int = 0,
        n_bytes: int = 0,
        *,
        align: int = 1,
        n_more_objects: int = 0,
        is_unseen: bool = False,
        key: str = "",
        namespace: int = 0,
        replace: bool = False,
        entry: int = 0,
        ticket_index: int = 0,
        serial: int = 0,
        now_ms: int = 0,
        least_age_ms: int = 0,
        group: int = 0,
        n_claims: int = 1,
        life_ms: int = 0,
        is_one_claim: bool = False,
        slot: int = 0,
        is_recorded: bool = False,
        rows: int = 0,
        n_failed: int = 0,
        ring: Any = None,
        ring_node: int = 0,
        refs_at: int = 0,
    ) -> None:
        self.node = node
        self.n_pages = n_pages
        self.n_bytes = n_bytes
        self.align = align
        self.n_more_objects = n_more_objects
        self.is_unseen = is_unseen
        self.replace = replace
        self.entry = entry
        self.ticket_index = ticket_index
        self.serial = serial
        self.now_ms = now_ms
        self.least_age_ms = least_age_ms
        self.group = group
        self.n_claims = n_claims
        self.life_ms = life_ms
        self.is_one_claim = is_one_claim
        self.slot = slot
        self.is_recorded = is_recorded
        self.generation = self.n_untouched = self.missing = self.n_ended = self.fault = 0
        self.n_buffers = self.n_kept = self.n_tickets = self.free_pages = self.longest_run = 0
        self.n_rows = rows
        self.n_failed = n_failed
        self.key_owner = key_words(key, namespace) if key else NO_KEY
        self.rows_owner = memoryview(array("Q", bytes(8 * rows))) if rows else NO_ROWS
        self.key = words_of(self.key_owner)
        self.rows = words_of(self.rows_owner)
        self.ring_owner = NO_ROWS if ring is None else ring
        self.ring = words_of(self.ring_owner)
        self.ring_node = ring_node
        self.refs_at = refs_at

    def __reduce__(self) -> Any:
        raise TypeError("a request cannot be copied or pickled; make another")

    @property
    def answer(self) -> "Answer":
        """The results, by name."""
        return {
            "node": self.node,
            "n_pages": self.n_pages,
            "n_bytes": self.n_bytes,
            "generation": self.generation,
            "n_untouched": self.n_untouched,
            "entry": self.entry,
            "ticket_index": self.ticket_index,
            "serial": self.serial,
            "n_ended": self.n_ended,
            "n_buffers": self.n_buffers,
            "n_kept": self.n_kept,
            "n_tickets": self.n_tickets,
            "free_pages": self.free_pages,
            "longest_run": self.longest_run,
            "fault": self.fault,
        }

    @property
    def ticket(self) -> tuple[int, int]:
        """The index and the serial of a ticket."""
        return self.ticket_index, self.serial

    @property
    def key_text(self) -> str:
        """The key that was asked for."""
        return bytes(self.key_owner)[:-1].rstrip(b"\0").decode("ascii")

    def rows_view(self) -> memoryview:
        """The words of `rows` that were stored, as they are."""
        view: memoryview = self.rows_owner[: self.n_rows]
        return view

    @property
    def filled(self) -> list[int]:
        """The words of `rows` that were stored."""
        return self.rows_view().tolist()

    def buffer_rows(self, kind: Any, layout: Any, kept: Any, holders: Any) -> list[Any]:
        """Return the buffers that `OP_BUFFERS` listed, as objects of a kind like `BufferRow`.

        `kept` has key, bytes, time and namespace of kept buffers by node and generation; `holders` has
        the slots by the words of holds.
        """
        made: list[Any] = []
        page_size: u64 = layout.page_size
        n_words: u64 = layout.words_of_holds
        at: u64 = 0
        before: u64 = 0
        slots: Any = None
        while at < self.n_rows:
            node: u64 = self.rows[at]
            n_pages: u64 = self.rows[at + 1]
            first: u64 = self.rows[at + 3]
            # Most buffers have the same holders as the one before.
            i: u64 = 0 if at else n_words
            while i < n_words and self.rows[at + 3 + i] == self.rows[before + i]:
                i += 1
            if i < n_words or at == 0:
                slots = holders[self.rows_owner[at + 3 : at + 3 + n_words].tobytes()]
            before = at + 3
            key, n_bytes, kept_at, what = None, n_pages * page_size, None, None
            if first & 1:
                named = kept.get((node, self.rows[at + 2]))
                if named is not None:
                    key, n_bytes, kept_at, what = named
            made.append(
                new_row(
                    kind,
                    (node - FIRST_NODE) * page_size,
                    n_pages,
                    n_bytes,
                    first & 1 != 0,
                    key,
                    slots,
                    tickets_in(first),
                    kept_at,
                    what,
                )
            )
            at += 3 + n_words
        return made


@cython.cfunc
def blank_request() -> Request:
    """Return a request without arguments, to be filled in: parsing them takes longer."""
    if not cython.compiled:
        return Request()
    request: Request = Request.__new__(Request)
    request.align = request.n_claims = 1
    request.key_owner = NO_KEY
    request.rows_owner = NO_ROWS
    request.key = words_of(request.key_owner)
    request.rows = words_of(request.rows_owner)
    return request
