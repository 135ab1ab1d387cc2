"""The shared words and what they contain: buffers, records, tickets. Used by the whole model."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

ARENA = 1 << 30
"""The arena's own bit in a buffer's holds: the buffer is kept."""

ENDLESS, LIMITED, TIED = range(3)
"""The lives of a ticket."""


class Buffer(NamedTuple):
    """What a view, a ticket or an entry names: first page, incarnation and number of pages."""

    page: int
    incarnation: int
    n_pages: int = 1

    def __str__(self) -> str:
        return f"buffer {self.incarnation} of {self.n_pages} at page {self.page}"

    def same(self, other: Buffer) -> bool:
        """Return whether both are the same buffer, whatever their sizes."""
        return self[:2] == other[:2]

    def has(self, page: int) -> bool:
        """Return whether the buffer contains a page."""
        return self.page <= page < self.page + self.n_pages


class Record(NamedTuple):
    """The record at a live buffer's first page."""

    incarnation: int
    n_pages: int = 1


class Sender(NamedTuple):
    """Who sent a ticket, in a search with groups or tied tickets."""

    slot: int
    generation: int
    group: int
    """1 if the ticket is in the group, else 0."""
    process: int
    """Known only to the model."""


class Ticket(NamedTuple):
    """The contents of a ticket's entry."""

    serial: int
    buffer: Buffer
    left: int = 1
    """How many claims are left; in a handle: how many there were at first. 0: any number."""
    sender: Sender | None = None
    life: int = ENDLESS
    """`TIED`: it does not expire before its sender has ended. `LIMITED`: it expires a minute later."""

    def same(self, other: Ticket) -> bool:
        """Return whether both are the same ticket, however many claims are left."""
        return self[:2] == other[:2]


class Entry(NamedTuple):
    """The directory entry of a kept buffer."""

    number: int
    """0 if the entry is free. Of two entries with the same key or buffer, the higher number is valid."""
    key: int
    buffer: Buffer


class Handle(NamedTuple):
    """What was pickled: the entry and its contents. Any process may claim it, at any time."""

    entry: int
    ticket: Ticket


class Round(NamedTuple):
    """The contents of a magazine's word: a buffer that its process dropped and may allocate again."""

    buffer: Buffer
    taken: bool = False
    """The owner of the lock is taking the round out, and will end its hold."""

    def __str__(self) -> str:
        return f"{self.buffer}{', taken' if self.taken else ''}"


class Step(NamedTuple):
    """One store, or one effect outside the shared words."""

    what: str
    at: int = 0
    value: Any = 0

    def __str__(self) -> str:
        return f"{self.what}[{self.at}] = {self.value}"


class Words(NamedTuple):
    """The shared words that recovery reads or writes.

    Records, holds, tickets and entries are the source of truth. Lists and counts are derived from them.
    """

    records: tuple[Record | None, ...]
    """For each page: the record of the buffer that begins there, or None."""
    listed: tuple[int, ...]
    """For each page: whether it is in a free list."""
    holds: tuple[int, ...]
    """For each page: a bit for each slot that holds the buffer that begins there."""
    ticket_counts: tuple[int, ...]
    """For each page: the number of tickets that name the buffer that begins there."""
    tickets: tuple[Ticket | None, ...]
    directory: tuple[Entry, ...]
    found: tuple[int, ...]
    """For each entry: whether it is in the lists in which it is searched for."""
    magazines: tuple[Round | None, ...]
    """For each slot: its magazine, here of one word. Its process stores there without the lock."""

    def after(self, step: Step) -> Words:
        """Return the words after one store."""
        changed: dict[str, Any] = {step.what: put(getattr(self, step.what), step.at, step.value)}
        return self._replace(**changed)

    def after_all(self, steps: list[Step]) -> Words:
        """Return the words after those steps that are stores to shared words."""
        words = self
        for step in steps:
            if step.what in self._fields:
                words = words.after(step)
        return words

    def entry_of(self, buffer: Buffer) -> int | None:
        """Return the index of the entry that keeps a buffer, or None."""
        for index, entry in enumerate(self.directory):
            if self.found[index] and entry.number and entry.buffer.same(buffer):
                return index
        return None

    def live(self, buffer: Buffer) -> Record | None:
        """Return the record of a buffer if it is live, else None."""
        record = self.records[buffer.page]
        return record if record and record.incarnation == buffer.incarnation else None

    def taken(self) -> list[int]:
        """Return the pages of all live buffers. A page in two buffers appears twice."""
        return [
            taken
            for page, record in enumerate(self.records)
            if record
            for taken in range(page, page + record.n_pages)
        ]


UNUSED = Entry(0, 0, Buffer(page=0, incarnation=0, n_pages=0))
"""An entry that was never used. No buffer has incarnation 0."""


def put(values: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    """Return a copy of the values with one of them replaced.

    >>> put((1, 2, 3), 1, 9)
    (1, 9, 3)
    """
    return (*values[:index], value, *values[index + 1 :])
