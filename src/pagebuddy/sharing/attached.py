"""The types of an attachment and of an engine, as `sharing/` uses them; for the type checker alone.

Both are made above this level, once compiled and once not: `buffers.attachment.Attachment`, and the
modules `_compiled` and `buffers.uncompiled`. `engine.py` proves that they have these types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypedDict

if TYPE_CHECKING:
    from pagebuddy.memory.medium import Medium
    from pagebuddy.sharing.layout import Layout
    from pagebuddy.sharing.request import Request


class Answer(TypedDict):
    """The results of an operation; which of them it sets, the operation says."""

    node: int
    n_pages: int
    n_bytes: int
    generation: int
    n_untouched: int
    entry: int
    ticket_index: int
    serial: int
    n_ended: int
    n_buffers: int
    n_kept: int
    n_tickets: int
    free_pages: int
    longest_run: int
    fault: int


class Figures(TypedDict):
    """What code outside of the engine needs to know of an attachment."""

    slot: int
    seen_fault: int
    seen_node: int


class Held(Protocol):
    """A buffer that this process holds."""

    @property
    def nbytes(self) -> int:
        """How many bytes were asked for."""

    @property
    def offset(self) -> int:
        """Its first byte's distance from the first page, in bytes."""

    @property
    def view(self) -> memoryview:
        """Its bytes."""

    def release(self) -> None:
        """Drop it now."""


class Attached(Protocol):
    """A process's attachment to an arena."""

    @property
    def layout(self) -> Layout:
        """Where everything lies."""

    @property
    def medium(self) -> Medium:
        """Where the bytes come from."""

    @property
    def memory(self) -> memoryview:
        """All words before the pages."""

    @property
    def figures(self) -> Figures:
        """Its slot, and the last fault that an operation found."""

    @property
    def is_readonly(self) -> bool:
        """Whether this process may only read the pages."""

    def fileno(self) -> int:
        """The descriptor of the arena's file, or -1."""

    @property
    def has_notes(self) -> bool:
        """Whether there is something to log."""

    def take_notes(self) -> list[tuple[int, ...]]:
        """What is to be logged, each time what was added since the last time."""

    # -- operations

    def request(
        self,
        *,
        node: int = 0,
        n_bytes: int = 0,
        key: str = "",
        namespace: int = 0,
        replace: bool = False,
        entry: int = 0,
        ticket_index: int = 0,
        serial: int = 0,
        now_ms: int = 0,
        n_claims: int = 1,
        life_ms: int = 0,
        is_one_claim: bool = False,
        slot: int = 0,
        rows: int = 0,
        group: int = 0,
    ) -> Request:
        """A request of this engine's."""

    def perform(self, request: Request, operation: int, timeout: float | None = None) -> int:
        """Carry out an operation; DONE or NO_PAGES, everything else is raised."""

    def alloc(self, nbytes: int) -> Held:
        """A new buffer."""

    def claimed(self, index: int, serial: int) -> Held:
        """The buffer of a ticket, which ends with its last claim."""

    @property
    def trimmers(self) -> set[int]:
        """The threads of this process that are in the middle of a trim."""

    def trim_piece(self, offset: int, n_pages: int) -> tuple[int, int] | None:
        """Return the memory of some free pages to the system: how much, and where they end."""

    # -- coming and going

    def words_of_engine(self) -> memoryview:
        """The engine's metadata."""

    def lay_out(self) -> None:
        """Make all pages free, in an arena that no other process sees yet."""

    def locks_by(self, kind: int) -> bool:
        """Whether the arena's lock is of this kind."""

    def read_only(self) -> None:
        """Only read the pages from now on, before there is a slot."""

    def lock_through(self, fd: int) -> None:
        """Take over a descriptor for the lock."""

    def use_medium(self, medium: Medium) -> None:
        """Use another medium over the same mapping."""

    def use_descriptor(self, fd: int) -> None:
        """Use another descriptor of the arena's file."""

    def has_lost_lock(self) -> bool:
        """Whether the descriptor for the lock was closed, or its number means another file."""

    def lock_again_through(self, fd: int) -> bool:
        """Take over a descriptor for the lock if the one before was lost; whether it did."""

    def take_lease(self, slot: int) -> bool:
        """Take the lease of a slot; False if a process has it."""

    def drop_lease(self) -> None:
        """Release that lease."""

    def be(self, slot: int) -> None:
        """Have this slot from now on."""

    def mind_forks(self) -> None:
        """Prepare for forks from now on."""

    def is_ending(self) -> bool:
        """Whether it is being destroyed, and must not be found any more."""

    # -- files with holes

    @property
    def end_of_known_groups(self) -> int:
        """The place up to which bits are known to be backed."""

    def mind_holes(self, bits: memoryview, n_words: int) -> None:
        """Check from now on that words are backed before a store to them."""

    def know(
        self, granules: Iterable[int], groups: int = 0, tickets: int = 0, entries: int = 0
    ) -> None:
        """Note granules, bits, tickets and entries of the directory as backed."""

    def knows(self, granule: int) -> bool:
        """Whether a granule is known to be backed."""

    def know_pages(self, first: int, n: int) -> None:
        """Note pages as backed."""

    def knows_pages(self, first: int, n: int) -> bool:
        """Whether pages of a live buffer are known to be backed."""


class Engine(Protocol):
    """The module of an engine."""

    @property
    def __name__(self) -> str:
        """Tells the engines of a process apart."""

    @property
    def Attachment(self) -> Callable[[Layout, Medium, memoryview], Attached]:
        """Makes an attachment: given the layout, the medium, and a zeroed word for each page."""

    def mutex_of_this_build(self) -> int:
        """The kind of mutex that this build has, as a number; 0 for none."""

    def make_mutex(self, words: memoryview) -> None:
        """Make the mutex of an arena that no process uses, given all its words."""
