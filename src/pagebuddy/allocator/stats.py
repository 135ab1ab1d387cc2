"""Figures of an allocator at one moment: no drawing, no memory.

The two indices are Linux's, of `mm/vmstat.c`, shown there by debugfs as `extfrag/unusable_index`
and `extfrag/extfrag_index`. Mel Gorman wrote them: the first with Andy Whitcroft in "The What, the
Why and the Where To of Anti-Fragmentation" (Ottawa Linux Symposium, 2006), the second for memory
compaction (2010).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import SupportsIndex

from pagebuddy.arguments import whole


@dataclass(frozen=True, slots=True)
class Stats:
    """What is used and what is free, and how it lies. All but `n_spans` and `free_blocks` in pages.

    - `n_pages`: pages in all, `used` or `free`
    - `largest_free`: the longest free run, which may be longer than any block
    - `free_blocks`: how many free blocks there are of each order; the index is the order
    - `n_spans`: live spans

    >>> stats = Stats(
    ...     n_pages=16, used=9, free=7, largest_free=4, free_blocks=(1, 1, 1, 0), n_spans=2
    ... )
    >>> stats.unusable(2)
    0.42857142857142855
    >>> stats.fragmentation(2), stats.fragmentation(3)
    (-1.0, 0.375)
    """

    n_pages: int
    used: int
    free: int
    largest_free: int
    free_blocks: tuple[int, ...]
    n_spans: int

    @property
    def max_order(self) -> int:
        """The highest order, inclusive."""
        return len(self.free_blocks) - 1

    def unusable(self, order: SupportsIndex) -> float:
        """The share of the free pages that lie in blocks too small for `order`, 0.0 to 1.0.

        0.0 means that every free page could serve such an allocation; 1.0 that none could. It is
        0.0 where nothing is free, as nothing is wasted then (Linux says 1 there). `ValueError`
        unless `order` is from 0 to `max_order`. Source: Linux's unusable free space index.

        >>> Stats(8, 4, 4, 1, (4, 0, 0, 0), 4).unusable(1)
        1.0
        """
        usable = self._pages_in_blocks(self._checked(order))
        free = self._pages_in_blocks(0)
        return (free - usable) / free if free else 0.0

    def fragmentation(self, order: SupportsIndex) -> float:
        """Why no block of `order` is to be had: 0 for lack of pages, towards 1 for scattered ones.

        -1.0 where one is to be had, as there is nothing to explain then; 0.0 where nothing is free.
        Else 1 - (1 + free ÷ 2^order) ÷ number of free blocks, below 1.0. A single free block gives
        -0.5 to 0; where pages for b such blocks are free the value is at least 1/2 - 1/(2b). Many
        small blocks raise it even where all together are too little, so read it beside `free`. It
        counts blocks: `alloc` may still find a run of adjacent blocks, up to `largest_free`, where
        `alloc_order` finds none. `ValueError` unless `order` is from 0 to `max_order`. Source:
        Linux's fragmentation index.

        >>> Stats(8, 4, 4, 1, (4, 0, 0, 0), 4).fragmentation(2)
        0.5
        """
        order = self._checked(order)
        n_blocks = sum(self.free_blocks)
        if n_blocks == 0:
            return 0.0
        if any(self.free_blocks[order:]):
            return -1.0
        return 1 - (1 + self._pages_in_blocks(0) / (1 << order)) / n_blocks

    def as_dict(self) -> dict[str, object]:
        """All figures by name, ready for JSON; the two indices as lists, a value for each order.

        >>> Stats(4, 3, 1, 1, (1, 0, 0), 1).as_dict()["unusable"]
        [0.0, 1.0, 1.0]
        """
        figures = {field.name: getattr(self, field.name) for field in fields(self)}
        orders = range(self.max_order + 1)
        return figures | {
            "free_blocks": list(self.free_blocks),
            "unusable": [self.unusable(order) for order in orders],
            "fragmentation": [self.fragmentation(order) for order in orders],
        }

    def _checked(self, order: SupportsIndex) -> int:
        return whole(order, "order", most=self.max_order)

    def _pages_in_blocks(self, min_order: int) -> int:
        blocks = enumerate(self.free_blocks)
        return sum(count << order for order, count in blocks if order >= min_order)
