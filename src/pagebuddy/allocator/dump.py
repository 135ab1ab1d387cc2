"""The text of `BuddyAllocator.dump`."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from pagebuddy.errors import BadFree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pagebuddy.allocator.inspection import Inspection

A_LINE = 12


def dump(buddy: Inspection) -> str:
    """Return the whole state of a `BuddyAllocator` as text: page ranges, free lists, trees.

    Spans and free blocks are shown in address order. If other threads use the allocator, the parts are
    of different moments.
    """
    return "\n".join(_lines(buddy))


def _lines(buddy: Inspection) -> Iterator[str]:
    stats = buddy.stats()
    yield (
        f"BuddyAllocator: {stats.n_pages} pages of {buddy.page_size} bytes, "
        f"{stats.used} used in {stats.n_spans} spans, {stats.free} free, "
        f"longest free run {stats.largest_free}"
    )
    blocks = list(buddy.free_blocks())
    yield "free lists"
    for order in range(buddy.n_orders):
        pages = [first for first, k in blocks if k == order]
        if pages:
            more = f" and {len(pages) - A_LINE} more" if len(pages) > A_LINE else ""
            shown = " ".join(map(str, pages[:A_LINE]))
            yield f"  order {order:2}: {len(pages)} of {1 << order} pages: {shown}{more}"
    for first, n in buddy.ranges:
        yield f"page range {first} to {first + n - 1}: {n} pages"
    parts = [(first, n, _live(buddy, first)) for first, n in buddy.spans()]
    parts += [(first, 1 << order, f"free, order {order}") for first, order in blocks]
    for tree, inside in groupby(sorted(parts), key=lambda part: part[0] >> buddy.max_order):
        yield f"tree {tree << buddy.max_order}"
        for first, n, what in inside:
            yield f"  {first} +{n} {what}"


def _live(buddy: Inspection, first: int) -> str:
    try:
        return f"live, generation {buddy.generation_of(first)}"
    except BadFree:
        # Another thread has freed it in the meantime.
        return "live"
