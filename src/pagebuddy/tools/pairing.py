"""From events to operations of an allocator: which free belongs to which allocation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagebuddy.tools.events import Events

NO_PAGE = 2**64 - 1
ALLOC_ORDER = 2**31


class Operations(NamedTuple):
    """Operations for an allocator, an entry an operation, in the order of their events.

    `slot` is where the span's first page is kept from its allocation to its free; no slot is
    allocated to twice in one stretch. `order` is the span's own. `alloc_at` is the index of the
    allocation that a free belongs to, or -1 where that lies in an earlier stretch; for an
    allocation it is its own index.
    """

    is_alloc: NDArray[np.bool_]
    slot: NDArray[np.int64]
    order: NDArray[np.int64]
    alloc_at: NDArray[np.int64]

    def encoded(self) -> NDArray[np.uint64]:
        """The same as `BuddyAllocator.run` takes them."""
        what = np.where(self.is_alloc, ALLOC_ORDER + self.order, 0)
        return (what.astype(np.uint64) << np.uint64(32)) | self.slot.astype(np.uint64)


class Pairing:
    """Pairs frees with their allocations by page frame number, stretch by stretch.

    An allocation of a page still live and a free of a page without a recorded allocation become
    no operation and are counted: `skipped_allocs`, `skipped_frees`. A free that tells another
    order than its allocation did frees the whole span all the same; `differing_orders` counts
    those.

    These hold: `_pfn` ascends and has every live page frame number once; `_slot` and `_order` are
    its span's; a slot is in `_slot`, in `_idle`, or not below `n_slots`, and in one of them only.
    Memory is bounded by the spans live at once and a stretch.

    >>> pairing = Pairing()
    >>> kinds, pfns = np.array([True, True, False, False]), np.array([5, 5, 5, 6], "u8")
    >>> operations = pairing.pair(Events(kinds, pfns, np.zeros(4, "u1")))
    >>> operations.is_alloc.tolist(), operations.alloc_at.tolist()
    ([True, False], [0, 0])
    >>> pairing.skipped_allocs, pairing.skipped_frees
    (1, 1)
    """

    def __init__(self) -> None:
        self.n_slots = 0
        self.skipped_allocs = 0
        self.skipped_frees = 0
        self.differing_orders = 0
        self._pfn = np.empty(0, np.uint64)
        self._slot = np.empty(0, np.int64)
        self._order = np.empty(0, np.int64)
        self._idle = np.empty(0, np.int64)

    def pair(self, events: Events) -> Operations:
        """The operations of the next stretch. n log n in the stretch, linear in the live spans."""
        # By page frame number, and among the same by time: each run of equal numbers is one story.
        by_pfn = np.argsort(events.pfn, kind="stable")
        pfn, is_alloc = events.pfn[by_pfn], events.is_alloc[by_pfn]
        starts = _starts(pfn)
        _, known = self._find(pfn[starts])

        # Whatever an event was, its page is live after an allocation and is not after a free. So
        # an event does something where its kind differs from the one before, or at first from the
        # table.
        live_before = np.concatenate(([False], is_alloc[:-1]))[: pfn.size]
        live_before[starts] = known
        acts = np.flatnonzero(is_alloc != live_before)
        skipped_allocs = int(np.count_nonzero(is_alloc & live_before))
        self.skipped_allocs += skipped_allocs
        self.skipped_frees += pfn.size - acts.size - skipped_allocs

        # Of those that act, allocations and frees alternate in each story.
        pfn, is_alloc = pfn[acts], is_alloc[acts]
        told = events.order[by_pfn[acts]].astype(np.int64)
        starts = _starts(pfn)
        position = np.arange(pfn.size)
        before = position - 1
        before[starts] = -1
        ours = ~is_alloc & (before >= 0)
        tables = ~is_alloc & (before < 0)
        at, _ = self._find(pfn[tables])

        slot = np.empty(pfn.size, np.int64)
        slot[is_alloc] = self._take_slots(int(np.count_nonzero(is_alloc)))
        slot[ours] = slot[before[ours]]
        slot[tables] = self._slot[at]
        order = told.copy()
        order[ours] = told[before[ours]]
        order[tables] = self._order[at]
        self.differing_orders += int(np.count_nonzero(order != told))

        # A story that ends with an allocation leaves its page live.
        ends = np.append(starts[1:], pfn.size)[: starts.size] - 1
        left = ends[is_alloc[ends]]
        self._replace(at, pfn[left], slot[left], order[left])
        self._idle = np.append(self._idle, slot[~is_alloc])

        # From stories back to time.
        in_time = np.argsort(by_pfn[acts])
        time = np.empty_like(in_time)
        time[in_time] = position
        alloc_at = np.full(pfn.size, -1)
        alloc_at[is_alloc] = time[is_alloc]
        alloc_at[ours] = time[before[ours]]
        return Operations(is_alloc[in_time], slot[in_time], order[in_time], alloc_at[in_time])

    def _find(self, pfn: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where in the table these numbers are or would be, and which of them are there."""
        at = np.searchsorted(self._pfn, pfn)
        known = np.zeros(pfn.size, np.bool_)
        inside = at < self._pfn.size
        known[inside] = self._pfn[at[inside]] == pfn[inside]
        return at, known

    def _replace(
        self,
        gone: NDArray[np.intp],
        pfn: NDArray[np.uint64],
        slot: NDArray[np.int64],
        order: NDArray[np.int64],
    ) -> None:
        """Take spans from the table, then add some, ascending by page frame number."""
        kept = np.delete(self._pfn, gone)
        at = np.searchsorted(kept, pfn)
        self._pfn = np.insert(kept, at, pfn)
        self._slot = np.insert(np.delete(self._slot, gone), at, slot)
        self._order = np.insert(np.delete(self._order, gone), at, order)

    def _take_slots(self, n: int) -> NDArray[np.int64]:
        """Take n slots, idle ones first."""
        again, self._idle = self._idle[:n], self._idle[n:]
        new = np.arange(self.n_slots, self.n_slots + n - again.size)
        self.n_slots += new.size
        return np.concatenate((again, new))


def _starts(ascending: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Where each run of equal numbers starts."""
    differs = np.ones(ascending.size, np.bool_)
    differs[1:] = ascending[1:] != ascending[:-1]
    return np.flatnonzero(differs)
