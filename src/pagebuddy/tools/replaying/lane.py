"""An allocator under replay, and the first pages of its spans. Used by `replay`."""

from __future__ import annotations

from itertools import pairwise
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pagebuddy import BuddyAllocator
from pagebuddy.tools.pictures.timeline import Timeline
from pagebuddy.tools.replaying.pairing import Operations

NO_PAGE = 2**64 - 1


class Lane:
    """An allocator, the first page of the span in each slot, and the seconds spent on operations.

    An empty slot, or one whose allocation failed, has `NO_PAGE`.
    """

    def __init__(self, buddy: BuddyAllocator, timeline: Timeline | None = None) -> None:
        self.buddy = buddy
        self.timeline = timeline
        self.seconds = 0.0
        self.look()
        self._pages = np.full(0, NO_PAGE, np.uint64)

    def grow(self, n_slots: int) -> None:
        """Make room for at least this many slots."""
        new = max(n_slots, 2 * self._pages.size) - self._pages.size
        if n_slots > self._pages.size:
            self._pages = np.append(self._pages, np.full(new, NO_PAGE, np.uint64))

    def look(self) -> None:
        """Record the current figures in the timeline, if there is one."""
        if self.timeline is not None:
            self.timeline.look(self.buddy)

    def run(self, encoded: NDArray[np.uint64]) -> None:
        """Run and time operations, in one native call or in pieces between looks of the timeline."""
        start = 0
        for stop in self.timeline.stops(encoded.size) if self.timeline is not None else ():
            self._run(encoded[start:stop])
            self.look()
            start = stop
        self._run(encoded[start:])

    def _run(self, encoded: NDArray[np.uint64]) -> None:
        begin = perf_counter()
        self.buddy.run(encoded, self._pages)
        self.seconds += perf_counter() - begin

    def watch(
        self, operations: Operations, encoded: NDArray[np.uint64], cuts: list[int]
    ) -> NDArray[np.uint64]:
        """Run operations; return the first page of each one's span, or `NO_PAGE` if it failed.

        `run` does not keep the page of a span that it frees. So the operations run in pieces, such that
        no piece contains both an allocation and its free. A kernel's stream has about 100 in a piece.
        """
        page = self._pages[operations.slot]
        allocs = np.flatnonzero(operations.is_alloc)
        cuts = [0, *cuts, operations.slot.size]
        bounds = np.searchsorted(allocs, cuts).tolist()
        for i, (start, stop) in enumerate(pairwise(cuts)):
            self.run(encoded[start:stop])
            taken = allocs[bounds[i] : bounds[i + 1]]
            page[taken] = self._pages[operations.slot[taken]]
        freed_here = np.flatnonzero(~operations.is_alloc & (operations.alloc_at >= 0))
        page[freed_here] = page[operations.alloc_at[freed_here]]
        return page
