"""What the allocator says when it refuses: exceptions, with their figures and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuddy.arguments import numeral
from pagebuddy.core import words
from pagebuddy.errors import BadFree, CorruptMetadata, OutOfPages

if TYPE_CHECKING:
    from pagebuddy.allocator.geometry import Geometry


# The engine's invariants, by name: the one that does not hold when metadata is corrupt.
INVARIANTS: dict[int, str] = {
    words.F_NEIGHBOURS: "both neighbours of a free block point back at it",
    words.F_HEAD: "a list that the mask calls filled starts with a page",
    words.F_BIT: "exactly the blocks in the lists have their bits set",
    words.F_ASIDE: "what is aside are free pages of one page range",
    words.F_RECORD: "a live span has at least one page and ends within its page range",
    words.F_FREE: "every page is in a live span or in a free block",
    words.F_OVERLAP: "no live span starts inside another",
    words.F_LIST: "a list goes through free blocks of its order, once each",
    words.F_MASK: "the mask names exactly the lists that are not empty",
    words.F_COUNT: "the count of an order is the number of its free blocks",
    words.F_CLEAN: "nothing is stored for pages inside a span or a free block",
    words.F_MERGED: "no free block has a free buddy of its order",
    words.F_HIGH_WATER: "no live span ends above the high-water mark",
}


def _ranges(geometry: Geometry) -> str:
    """The page ranges in words, the first few."""
    shown = [f"{first} to {first + n - 1}" for first, n in geometry.sections[:3]]
    more = len(geometry.sections) - len(shown)
    if not shown:
        return "none"
    return ", ".join(shown) + (f" and {more} more" if more else "")


def out_of_pages(
    requested: int, free: int, largest_free: int, geometry: Geometry, where: str
) -> OutOfPages:
    """Nothing free would do."""
    return OutOfPages(requested, free, largest_free, geometry.page_size, where)


def placed(above: int | None, below: int | None, align: int | None) -> str:
    """A request's window and alignment, in words."""
    parts = []
    if align is not None:
        parts.append(f"at a multiple of {numeral(align)}")
    if above is not None:
        parts.append(f"from page {numeral(above)}")
    if below is not None:
        parts.append(f"below page {numeral(below)}")
    return " ".join(parts)


def outside(page: int, geometry: Geometry) -> BadFree:
    """A page that this allocator does not have."""
    message = f"page {numeral(page)} is none of this allocator's, which has {_ranges(geometry)}"
    return BadFree(page, "outside", message)


def not_live(page: int, is_free: bool) -> BadFree:
    """A page that no live span starts at."""
    if is_free:
        return BadFree(page, "free", f"page {page} is free already: was it freed twice?")
    return BadFree(
        page,
        "interior",
        f"page {page} is inside a live span; give the span's first page, as alloc returned it",
    )


def given_twice(page: int) -> BadFree:
    """A page that stands twice in a batch."""
    return BadFree(page, "free", f"page {page} is given twice; give each span once")


def other_size(page: int, expected: int, found: int) -> BadFree:
    """A live span, but not of the size that the caller expects."""
    message = (
        f"the span at page {page} has {found} pages, not {numeral(expected)}: "
        "is it the one you mean?"
    )
    return BadFree(page, "size", message, expected=expected, found=found)


def other_generation(page: int, expected: int, found: int) -> BadFree:
    """A live span, but another than the caller expects: the one meant was freed before."""
    message = (
        f"the span at page {page} is of generation {found}, not {numeral(expected)}: "
        "the one you mean was freed, and its pages were allocated again"
    )
    return BadFree(page, "generation", message, expected=expected, found=found)


def not_in_one_range(first: int, n: int, geometry: Geometry) -> ValueError:
    """Given pages that no single page range has."""
    return ValueError(
        f"pages {first} to {numeral(first + n - 1)} are not all in one page range; "
        f"there are {_ranges(geometry)}"
    )


def corrupt(fault: int, node: int, page: int | None) -> CorruptMetadata:
    """A fault that the engine noted, at a node and, if it is one, a page."""
    where = f"list {node}" if page is None else f"page {page}"
    return CorruptMetadata(INVARIANTS[fault], f"at {where}", page=page)
