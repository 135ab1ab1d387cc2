"""Figures of an allocator over time, at even intervals. Filled by `replay`, drawn by `timeline_*`."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from pagebuddy import BuddyAllocator, Stats
from pagebuddy.tools.pictures.intervals import Intervals

_MOST = 160
# A look walks all pages, so the number of operations between looks grows with the pages.
_PAGES_AN_OPERATION = 1 << 10


class Moment(NamedTuple):
    """The figures after a number of operations."""

    operations: int
    stats: Stats


class Timeline(Intervals[Moment]):
    """The figures of an allocator at even intervals of operations, and at moments from `add`.

    >>> buddy = BuddyAllocator(64)
    >>> timeline = Timeline()
    >>> timeline.look(buddy)
    >>> for stop in timeline.stops(40):
    ...     page = buddy.alloc(16)
    ...     timeline.look(buddy)
    >>> timeline.look(buddy)
    >>> [(moment.operations, moment.stats.used) for moment in timeline.moments]
    [(0, 0), (16, 16), (32, 32), (40, 32)]
    """

    def __init__(self, most: int = _MOST) -> None:
        super().__init__(most)
        self.page_size = 0
        # Reused for every look, because allocating it costs more than copying.
        self._copy = bytearray()

    @property
    def top_order(self) -> int:
        """The highest order of any free block at any moment; 0 if there was none."""
        orders = (
            order
            for moment in self.moments
            for order, count in enumerate(moment.stats.free_blocks)
            if count
        )
        return max(orders, default=0)

    def look(self, buddy: BuddyAllocator) -> None:
        """Record the figures of an allocator without changing it. O(pages)."""
        if not self.apart:
            self.begin(buddy.n_pages, _PAGES_AN_OPERATION)
            self.page_size = buddy.page_size
        if self.moments and self.moments[-1].operations == self.operations:
            return
        # stats() returns cached pages to the free lists, so take the figures of a copy.
        words = buddy.metadata
        if len(self._copy) != len(words):
            self._copy = bytearray(len(words))
        memoryview(self._copy)[:] = words
        self.append(Moment(self.operations, type(buddy).attach(self._copy).stats()))

    def add(self, moment: Moment) -> None:
        """Insert a moment between looks, such as the peak, after the last look.

        >>> timeline = Timeline()
        >>> timeline.look(BuddyAllocator(64))
        >>> timeline.add(Moment(5, BuddyAllocator(64).stats()))
        >>> [moment.operations for moment in timeline.moments]
        [0, 5]
        """
        at = bisect_left(self.moments, moment.operations, key=lambda other: other.operations)
        if all(other.operations != moment.operations for other in self.moments[at : at + 1]):
            self.moments.insert(at, moment)
