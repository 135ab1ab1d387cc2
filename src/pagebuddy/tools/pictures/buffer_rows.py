"""An arena's buffers as spans of a layout. Used by `arenas.arena_layout`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from pagebuddy.tools.pictures.layout import SpanRow

KEPT, SENT = "kept", "sent"


class BufferRow(Protocol):
    """The attributes used of a row of `arena.buffers()`."""

    @property
    def offset(self) -> int:
        """The offset from the first page in bytes."""

    @property
    def n_pages(self) -> int:
        """The number of pages."""

    @property
    def kept(self) -> bool:
        """Whether it is kept under a key."""

    @property
    def holders(self) -> Iterable[object]:
        """The processes that hold it."""

    @property
    def tickets(self) -> int:
        """The number of handles sent and not claimed."""


def span_rows(
    buffers: Iterable[BufferRow], *, page_size: int, names: Mapping[Any, str] | None = None
) -> Iterator[SpanRow]:
    """Yield the first page, the number of pages and the holders of each buffer.

    `names` maps holders to names. The holder of a buffer without holders is "sent" if a handle is
    unclaimed, otherwise "kept" if it has a key, otherwise missing: its holders died and were not reaped.

    >>> from types import SimpleNamespace as Row
    >>> rows = [
    ...     Row(offset=0, n_pages=2, kept=True, holders=[4711], tickets=0),
    ...     Row(offset=8192, n_pages=1, kept=True, holders=[], tickets=0),
    ...     Row(offset=12288, n_pages=1, kept=False, holders=[], tickets=1),
    ... ]
    >>> list(span_rows(rows, page_size=4096))
    [(0, 2, [4711]), (2, 1, ['kept']), (3, 1, ['sent'])]
    """
    for row in buffers:
        holders = [(names or {}).get(holder, holder) for holder in row.holders]
        if not holders and row.tickets:
            holders = [SENT]
        elif not holders and row.kept:
            holders = [KEPT]
        yield row.offset // page_size, row.n_pages, holders
