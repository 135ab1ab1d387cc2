"""An arena's buffers as the spans that pictures are drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from pagebuddy.tools.pictures.layout import SpanRow

KEPT, SENT = "kept", "sent"


class BufferRow(Protocol):
    """What is asked of a row of `arena.buffers()`."""

    @property
    def offset(self) -> int:
        """Bytes from the first page."""

    @property
    def n_pages(self) -> int:
        """Pages."""

    @property
    def kept(self) -> bool:
        """Does it outlive its holders?"""

    @property
    def holders(self) -> Iterable[object]:
        """The processes that hold it, as they are to be named."""

    @property
    def tickets(self) -> int:
        """Handles sent and not claimed."""


def span_rows(
    buffers: Iterable[BufferRow], *, page_size: int, names: Mapping[Any, str] | None = None
) -> Iterator[SpanRow]:
    """Yield first page, pages and holders of each buffer, by their `names` as far as these are told.

    One that no process holds is told to be "sent" while a handle of it is unclaimed, else "kept" if
    it is; else nobody is told, as for one whose holders died and were not reaped yet.

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
