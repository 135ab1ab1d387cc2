"""An arena's memory as a layout, from which pictures are drawn. Used by `stat`, `map` and notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pagebuddy.sharing.joining.listing import ProcessRow
from pagebuddy.tools.pictures.buffer_rows import span_rows
from pagebuddy.tools.pictures.layout import Layout

if TYPE_CHECKING:
    from pagebuddy.arena.view import ArenaView


def layout_of(arena: ArenaView) -> Layout:
    """The layout of an arena's memory, with the holders of its buffers. O(buffers).

    >>> from pagebuddy import Arena
    >>> arena = Arena("64 KiB")
    >>> buffer = arena.alloc(5 * 4096)
    >>> layout = layout_of(arena)
    >>> layout.n_pages, layout.n_free, layout.n_blocks.tolist(), len(layout.holders)
    (16, 11, [1, 1, 0, 1, 0], 1)
    """
    sizes = arena._open.layout
    rows = list(arena.buffers())
    names = {process.slot: name_of(process) for process in arena.processes()}
    spans = ((row.offset // sizes.page_size, row.n_pages) for row in rows)
    return Layout.from_rows(
        [(0, sizes.n_pages)],
        free_blocks(spans, sizes.n_pages, sizes.max_order),
        span_rows(rows, page_size=sizes.page_size, names=names),
        page_size=sizes.page_size,
        max_order=sizes.max_order,
    )


def name_of(process: ProcessRow) -> str:
    """A process for people: its number and name, and whether it is dead."""
    name = f"{process.pid} {process.name}".strip()
    return name if process.alive else f"dead {name}"


def free_blocks(
    spans: Iterable[tuple[int, int]], n_pages: int, max_order: int
) -> Iterator[tuple[int, int]]:
    """The free blocks between spans in ascending order, fully merged: first page and order.

    >>> list(free_blocks([(0, 5), (8, 1)], 16, 4))
    [(5, 0), (6, 1), (9, 0), (10, 1), (12, 2)]
    """
    page = 0
    for first, n in (*spans, (n_pages, 0)):
        while page < first:
            order = min((first - page).bit_length() - 1, max_order)
            if page:
                order = min(order, (page & -page).bit_length() - 1)
            yield page, order
            page += 1 << order
        page = first + n
