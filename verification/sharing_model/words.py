"""The shared words, and what stands in them: buffers, records, tickets."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

ARENA = 1 << 30
"""The arena's own bit among a buffer's holds: the buffer is kept."""


class Buffer(NamedTuple):
    """What a view, a ticket or an entry names: a first page, which of its lives, how many pages."""

    page: int
    incarnation: int
    n_pages: int = 1

    def __str__(self) -> str:
        return f"buffer {self.incarnation} of {self.n_pages} at page {self.page}"

    def same(self, other: Buffer) -> bool:
        """Return whether both are one buffer, whatever their sizes."""
        return self[:2] == other[:2]

    def has(self, page: int) -> bool:
        """Return whether a page is among its pages."""
        return self.page <= page < self.page + self.n_pages


class Record(NamedTuple):
    """What a live buffer's first page says."""

    incarnation: int
    n_pages: int = 1


class Ticket(NamedTuple):
    """What an entry for tickets says."""

    serial: int
    buffer: Buffer


class Entry(NamedTuple):
    """What an entry of the directory says of a kept buffer."""

    number: int
    """0 if the entry is free; of two entries for one key, or for one buffer, the higher is true."""
    key: int
    buffer: Buffer


class Handle(NamedTuple):
    """What was pickled: the entry, and what stood in it. Anybody may claim it, at any time."""

    entry: int
    ticket: Ticket


class Round(NamedTuple):
    """What a word of a magazine says: a buffer that its process dropped, and may have again."""

    buffer: Buffer
    taken: bool = False
    """Whoever has the lock takes it out, and ends the hold."""

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

    Records, holds, tickets and entries are the truth; lists and counts are made from them.
    """

    records: tuple[Record | None, ...]
    """Of each page: the record of the buffer that begins there, if one does."""
    listed: tuple[int, ...]
    """Of each page: whether it is in a free list."""
    holds: tuple[int, ...]
    """Of each page: a bit for each slot that holds the buffer that begins there."""
    ticket_counts: tuple[int, ...]
    """Of each page: how many tickets name the buffer that begins there."""
    tickets: tuple[Ticket | None, ...]
    directory: tuple[Entry, ...]
    magazines: tuple[Round | None, ...]
    """Of each slot: the magazine, which has one word here. Its process stores there without the lock."""

    def after(self, step: Step) -> Words:
        """Return the words after one store in them."""
        changed: dict[str, Any] = {step.what: put(getattr(self, step.what), step.at, step.value)}
        return self._replace(**changed)

    def after_all(self, steps: list[Step]) -> Words:
        """Return the words after those of the steps that are stores in them."""
        words = self
        for step in steps:
            if step.what in self._fields:
                words = words.after(step)
        return words

    def entry_of(self, buffer: Buffer) -> int | None:
        """Return the index of the entry that keeps a buffer, if one does."""
        for index, entry in enumerate(self.directory):
            if entry.number and entry.buffer.same(buffer):
                return index
        return None

    def live(self, buffer: Buffer) -> Record | None:
        """Return the record of a buffer, if it is live."""
        record = self.records[buffer.page]
        return record if record and record.incarnation == buffer.incarnation else None

    def taken(self) -> list[int]:
        """Return the pages of all live buffers; a page of two of them is there twice."""
        return [
            taken
            for page, record in enumerate(self.records)
            if record
            for taken in range(page, page + record.n_pages)
        ]


UNUSED = Entry(0, 0, Buffer(page=0, incarnation=0, n_pages=0))
"""An entry that was never used: no buffer's first incarnation is 0."""


def put(values: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    """Return the values with one of them replaced.

    >>> put((1, 2, 3), 1, 9)
    (1, 9, 3)
    """
    return (*values[:index], value, *values[index + 1 :])
