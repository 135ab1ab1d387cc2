"""The state of memory at one moment: free blocks and spans. Most pictures are drawn from it."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pagebuddy import BuddyAllocator

SpanRow = tuple[int, int, Iterable[object]]
"""A live span: first page, number of pages, holders."""

SEVERAL, NOBODY = "several", "unknown"


@dataclass(frozen=True)
class Layout:
    """Page ranges, their free blocks and their live spans; every page that is not free is used.

    `ranges` are (first page, number of pages), ascending, adjacent ones joined. `free_first` and
    `free_order` are the free blocks by address. `span_first`, `span_n` and `span_holder` are the live
    spans by address; `span_holder` is an index in `holders`, which is sorted by pages, descending. Both
    are empty if no holder is known. `page_size` is in bytes.

    >>> buddy = BuddyAllocator(16)
    >>> page = buddy.alloc(8)
    >>> layout = Layout.of(buddy)
    >>> layout.n_pages, layout.n_free, layout.n_blocks.tolist()
    (16, 8, [0, 0, 0, 1, 0])
    """

    ranges: list[tuple[int, int]]
    free_first: array[int]
    free_order: array[int]
    span_first: array[int]
    span_n: array[int]
    span_holder: array[int]
    holders: tuple[str, ...]
    page_size: int
    max_order: int

    @classmethod
    def of(cls, buddy: BuddyAllocator, spans: Iterable[SpanRow] | None = None) -> Layout:
        """The layout of an allocator now. Returns cached pages to the free lists.

        `spans` gives the holders; by default these are the allocator's spans, without holders. O(free
        blocks and spans).

        >>> buddy = BuddyAllocator(16)
        >>> rows = [(buddy.alloc(2), 2, ["a"]), (buddy.alloc(6), 6, ["b", "a"])]
        >>> Layout.of(buddy, rows).holders
        ('several', 'a')
        """
        layout = cls.from_rows(
            buddy.ranges.joined(),
            buddy.free_blocks(),
            () if spans is None else spans,
            page_size=buddy.page_size,
            max_order=buddy.max_order,
        )
        if spans is None:
            # Append directly, which is faster: a replay has 250,000 spans.
            for first, n in buddy.spans():
                layout.span_first.append(first)
                layout.span_n.append(n)
        return layout

    @classmethod
    def from_rows(
        cls,
        ranges: Iterable[tuple[int, int]],
        free_blocks: Iterable[tuple[int, int]],
        spans: Iterable[SpanRow],
        *,
        page_size: int,
        max_order: int,
    ) -> Layout:
        """Make a layout from page ranges, free blocks (first page, order) and spans, in any order.

        A span with several holders belongs to "several"; one without a holder to "unknown", if another
        span has a holder.
        """
        live = sorted((first, n, _holder(holders)) for first, n, holders in spans)
        pages: Counter[str] = Counter()
        for _, n, name in live:
            pages[name] += n
        names = sorted(pages, key=lambda name: (-pages[name], name))
        if names == [NOBODY]:
            names = []
        place = {name: i for i, name in enumerate(names)}
        free = sorted(free_blocks)
        return cls(
            ranges=list(ranges),
            free_first=array("Q", [first for first, _ in free]),
            free_order=array("b", [order for _, order in free]),
            span_first=array("Q", [first for first, _, _ in live]),
            span_n=array("Q", [n for _, n, _ in live]),
            span_holder=array("l", [place[name] for _, _, name in live] if place else []),
            holders=tuple(names),
            page_size=page_size,
            max_order=max_order,
        )

    @property
    def n_pages(self) -> int:
        """The number of pages of all ranges."""
        return sum(n for _, n in self.ranges)

    @property
    def n_free(self) -> int:
        """The number of free pages."""
        return sum(1 << order for order in self.free_order)

    @property
    def top_order(self) -> int:
        """The largest order that a block in these ranges can have, at most `max_order`."""
        longest = max((n for _, n in self.ranges), default=1)
        return min(self.max_order, longest.bit_length() - 1)

    @property
    def n_blocks(self) -> array[int]:
        """The number of free blocks of each order, from 0 to `top_order`."""
        counts = Counter(self.free_order)
        return array("Q", [counts[order] for order in range(self.top_order + 1)])

    @property
    def held(self) -> list[tuple[int, int]]:
        """The numbers of spans and pages of each holder, in the order of `holders`."""
        held = [(0, 0)] * len(self.holders)
        for n, i in zip(self.span_n, self.span_holder, strict=False):
            held[i] = held[i][0] + 1, held[i][1] + n
        return held

    def blocks_in(self, first: int, end: int) -> range:
        """The free blocks with a page from `first` to before `end`, as indices. O(log blocks)."""
        low = bisect_right(self.free_first, first)
        if low and self.free_first[low - 1] + (1 << self.free_order[low - 1]) > first:
            low -= 1
        return range(low, bisect_left(self.free_first, end))

    def spans_in(self, first: int, end: int) -> range:
        """The live spans with a page from `first` to before `end`, as indices. O(log spans)."""
        low = bisect_right(self.span_first, first)
        if low and self.span_first[low - 1] + self.span_n[low - 1] > first:
            low -= 1
        return range(low, bisect_left(self.span_first, end))


def _holder(holders: Iterable[object]) -> str:
    names = [str(holder) for holder in holders]
    return SEVERAL if len(names) > 1 else names[0] if names else NOBODY
