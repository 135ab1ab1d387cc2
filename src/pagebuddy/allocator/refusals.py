"""The exceptions that an allocator raises, with their texts and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuddy.arguments import numeral
from pagebuddy.core import words
from pagebuddy.errors import BadFree, CorruptMetadata

if TYPE_CHECKING:
    from pagebuddy.allocator.geometry import Geometry


# The engine's invariants: for each fault, the sentence that does not hold.
INVARIANTS: dict[int, str] = {
    words.F_NEIGHBOURS: "both neighbours of a group in a list point back to it",
    words.F_HEAD: "a list that the mask marks as filled starts with a group of its order",
    words.F_GROUP: "the free bits of a group are like their copy, and like the list that it is in",
    words.F_ASIDE: "the span aside and the front are free, and lie in one page range each",
    words.F_RECORD: "a live span has at least one page and ends within its page range",
    words.F_FREE: "every page is in a live span or in a free block",
    words.F_OVERLAP: "no live span starts inside another, or contains a free page",
    words.F_LIST: "a free list contains each of its groups once, and no others",
    words.F_MASK: "the mask marks exactly the lists that are not empty",
    words.F_WAIT: "spans that wait are free, aligned, and as many as their number says",
    words.F_CLEAN: "nothing is stored for the pages inside a span or a free block",
    words.F_MERGED: "no free block has a free buddy of its order",
    words.F_HIGH_WATER: "no live span ends above the high-water mark",
}


def _pages(geometry: Geometry) -> str:
    """Return the page ranges as text, the first few of them."""
    shown = [f"{first} to {first + n - 1}" for first, n in geometry.sections[:3]]
    if not shown:
        return "no pages"
    more = len(geometry.sections) - len(shown)
    return f"pages {', '.join(shown)}" + (f" and {more} more ranges" if more else "")


def placed(above: int | None, below: int | None, align: int | None) -> str:
    """Return the window and the alignment of a request as text."""
    parts = []
    if align is not None:
        parts.append(f"at a multiple of {numeral(align)}")
    if above is not None:
        parts.append(f"from page {numeral(above)}")
    if below is not None:
        parts.append(f"below page {numeral(below)}")
    return " ".join(parts)


def outside(page: int, geometry: Geometry) -> BadFree:
    """Return the error for a page that this allocator does not have."""
    message = f"page {numeral(page)} is not in this allocator, which has {_pages(geometry)}"
    return BadFree(page, "outside", message)


def not_live(page: int, is_free: bool) -> BadFree:
    """Return the error for a page that is not the first page of a live span."""
    if is_free:
        return BadFree(page, "free", f"page {page} is free already: was it freed twice?")
    return BadFree(
        page,
        "interior",
        f"page {page} is inside a live span; give the span's first page, as alloc returned it",
    )


def given_twice(page: int) -> BadFree:
    """Return the error for a page that occurs twice in a batch."""
    return BadFree(page, "free", f"page {page} is given twice; give each span once")


def changed(page: int) -> BadFree:
    """Return the error for a slot that changed while its span was freed."""
    message = (
        f"the slot of page {numeral(page)} was changed by another thread or process during run(); "
        "give each its own slots"
    )
    return BadFree(page, "free", message)


def other_size(page: int, expected: int, found: int) -> BadFree:
    """Return the error for a live span of another size than the caller expects."""
    message = (
        f"the span at page {page} has {found} pages, not {numeral(expected)}: "
        "is it the one that you mean?"
    )
    return BadFree(page, "size", message, expected=expected, found=found)


def other_generation(page: int, expected: int, found: int) -> BadFree:
    """Return the error for a live span that was allocated after the one that the caller means."""
    message = (
        f"the span at page {page} has generation {found}, not {numeral(expected)}: "
        "the one that you mean was freed, and its pages were allocated again"
    )
    return BadFree(page, "generation", message, expected=expected, found=found)


def not_in_one_range(first: int, n: int, geometry: Geometry) -> ValueError:
    """Return the error for given pages that are not all in one page range."""
    return ValueError(
        f"pages {first} to {numeral(first + n - 1)} are not all in one page range; "
        f"this allocator has {_pages(geometry)}"
    )


def corrupt(fault: int, node: int, page: int | None) -> CorruptMetadata:
    """Return the error for a fault that the engine noted at a node, or at the page of that node."""
    where = f"list {node}" if page is None else f"page {page}"
    return CorruptMetadata(INVARIANTS[fault], f"at {where}", page=page)
