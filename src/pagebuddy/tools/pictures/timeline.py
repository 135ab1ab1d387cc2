"""What became of memory over time: figures of an allocator at moments evenly apart."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from pagebuddy import BuddyAllocator, Stats

_MOST = 160
# A look walks all pages; between two there shall be work to match.
_PAGES_AN_OPERATION = 1 << 10
_LEAST_APART = 16


class Moment(NamedTuple):
    """The figures after so many operations."""

    operations: int
    stats: Stats


class Timeline:
    """Figures of an allocator after every so many operations, from the start to the end.

    However many operations there are, there are at most `most` moments and one: when there would be
    more, every second is dropped, and from then on they are twice as far apart.

    These hold: `moments` ascend, and all but the last, and one that was added, are at multiples of
    `apart`.

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
        self.most = most
        self.apart = 0
        self.operations = 0
        self.page_size = 0
        self.moments: list[Moment] = []
        # Kept from one look to the next: new memory costs more than the copying.
        self._copy = bytearray()

    @property
    def top_order(self) -> int:
        """The highest order of which there ever was a free block; 0 where there never was any."""
        orders = (
            order
            for moment in self.moments
            for order, count in enumerate(moment.stats.free_blocks)
            if count
        )
        return max(orders, default=0)

    def stops(self, n: int) -> Iterator[int]:
        """Of the next n operations, after how many each to look; when all are had, n are done."""
        start, end = self.operations, self.operations + n
        while (stop := (self.operations // self.apart + 1) * self.apart) <= end:
            self.operations = stop
            yield stop - start
        self.operations = end

    def look(self, buddy: BuddyAllocator) -> None:
        """Take the figures of an allocator as it is now; nothing of it changes. Cost: a walk."""
        if not self.apart:
            self.apart = max(buddy.n_pages // _PAGES_AN_OPERATION, _LEAST_APART)
            self.page_size = buddy.page_size
        if self.moments and self.moments[-1].operations == self.operations:
            return
        # What is aside would be settled: so the figures are those of a copy.
        words = buddy.metadata
        if len(self._copy) != len(words):
            self._copy = bytearray(len(words))
        memoryview(self._copy)[:] = words
        self.moments.append(Moment(self.operations, type(buddy).attach(self._copy).stats()))
        if len(self.moments) > self.most and self.operations % self.apart == 0:
            self.apart *= 2
            self.moments = [m for m in self.moments if m.operations % self.apart == 0]

    def add(self, moment: Moment) -> None:
        """Put in a moment that no look was at, such as the fullest, when there are no more looks.

        >>> timeline = Timeline()
        >>> timeline.look(BuddyAllocator(64))
        >>> timeline.add(Moment(5, BuddyAllocator(64).stats()))
        >>> [moment.operations for moment in timeline.moments]
        [0, 5]
        """
        at = bisect_left(self.moments, moment.operations, key=lambda other: other.operations)
        if all(other.operations != moment.operations for other in self.moments[at : at + 1]):
            self.moments.insert(at, moment)
