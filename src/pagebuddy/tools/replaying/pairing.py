"""Which free belongs to which allocation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagebuddy.tools.traces.events import UNTOLD, Events


class Operations(NamedTuple):
    """Operations for an allocator, an entry an operation, in the order of their events.

    `slot` is where the span's first page is kept from its allocation to its free; no slot is
    allocated to twice in one stretch. `size` is the span's own, in the unit of the trace.
    `alloc_at` is the index of the allocation that a free belongs to, or -1 where that lies in an
    earlier stretch; for an allocation it is its own index.
    """

    is_alloc: NDArray[np.bool_]
    slot: NDArray[np.int64]
    size: NDArray[np.int64]
    alloc_at: NDArray[np.int64]

    def cuts(self) -> list[int]:
        """The fewest places such that no piece between them both allocates and frees a span."""
        cuts: list[int] = []
        last = 0
        frees = np.flatnonzero(~self.is_alloc & (self.alloc_at >= 0))
        for free, alloc in zip(frees.tolist(), self.alloc_at[frees].tolist(), strict=True):
            if alloc >= last:
                cuts.append(free)
                last = free
        return cuts


class Pairing:
    """Pairs frees with their allocations by key, stretch by stretch.

    An allocation of a key still live and a free of a key without a recorded allocation become no
    operation and are counted: `skipped_allocs`, `skipped_frees`. A free that tells another size
    than its allocation did frees the whole span all the same; `differing_sizes` counts those.

    These hold: `_key` ascends and has every live key once; `_slot` and `_size` are its span's; a
    slot is in `_slot`, in `_idle`, or not below `n_slots`, and in one of them only. Memory is
    bounded by the spans live at once and a stretch.

    >>> pairing = Pairing()
    >>> kinds, keys = np.array([True, True, False, False]), np.array([5, 5, 5, 6], "u8")
    >>> operations = pairing.pair(Events(kinds, keys, np.zeros(4, int)))
    >>> operations.is_alloc.tolist(), operations.alloc_at.tolist()
    ([True, False], [0, 0])
    >>> pairing.skipped_allocs, pairing.skipped_frees
    (1, 1)
    """

    def __init__(self) -> None:
        self.n_slots = 0
        self.skipped_allocs = 0
        self.skipped_frees = 0
        self.differing_sizes = 0
        self._key = np.empty(0, np.uint64)
        self._slot = np.empty(0, np.int64)
        self._size = np.empty(0, np.int64)
        self._idle = np.empty(0, np.int64)

    def pair(self, events: Events) -> Operations:
        """The operations of the next stretch. n log n in the stretch, linear in the live spans."""
        # By key, and among the same by time: each run of equal keys is one story.
        by_key = np.argsort(events.key, kind="stable")
        key, is_alloc = events.key[by_key], events.is_alloc[by_key]
        starts = _starts(key)
        _, known = self._find(key[starts])

        # Whatever an event was, its key is live after an allocation and is not after a free. So
        # an event does something where its kind differs from the one before, or at first from the
        # table.
        live_before = np.concatenate(([False], is_alloc[:-1]))[: key.size]
        live_before[starts] = known
        acts = np.flatnonzero(is_alloc != live_before)
        skipped_allocs = int(np.count_nonzero(is_alloc & live_before))
        self.skipped_allocs += skipped_allocs
        self.skipped_frees += key.size - acts.size - skipped_allocs

        # Of those that act, allocations and frees alternate in each story.
        key, is_alloc = key[acts], is_alloc[acts]
        told = events.size[by_key[acts]]
        starts = _starts(key)
        position = np.arange(key.size)
        before = position - 1
        before[starts] = -1
        ours = ~is_alloc & (before >= 0)
        tables = ~is_alloc & (before < 0)
        at, _ = self._find(key[tables])

        slot = np.empty(key.size, np.int64)
        slot[is_alloc] = self._take_slots(int(np.count_nonzero(is_alloc)))
        slot[ours] = slot[before[ours]]
        slot[tables] = self._slot[at]
        size = told.copy()
        size[ours] = told[before[ours]]
        size[tables] = self._size[at]
        self.differing_sizes += int(np.count_nonzero((size != told) & (told != UNTOLD)))

        # A story that ends with an allocation leaves its key live.
        ends = np.append(starts[1:], key.size)[: starts.size] - 1
        left = ends[is_alloc[ends]]
        self._replace(at, key[left], slot[left], size[left])
        self._idle = np.append(self._idle, slot[~is_alloc])

        # From stories back to time.
        in_time = np.argsort(by_key[acts])
        time = np.empty_like(in_time)
        time[in_time] = position
        alloc_at = np.full(key.size, -1)
        alloc_at[is_alloc] = time[is_alloc]
        alloc_at[ours] = time[before[ours]]
        return Operations(is_alloc[in_time], slot[in_time], size[in_time], alloc_at[in_time])

    def _find(self, key: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where in the table these numbers are or would be, and which of them are there."""
        at = np.searchsorted(self._key, key)
        known = np.zeros(key.size, np.bool_)
        inside = at < self._key.size
        known[inside] = self._key[at[inside]] == key[inside]
        return at, known

    def _replace(
        self,
        gone: NDArray[np.intp],
        key: NDArray[np.uint64],
        slot: NDArray[np.int64],
        size: NDArray[np.int64],
    ) -> None:
        """Take spans from the table, then add some, ascending by page frame number."""
        kept = np.delete(self._key, gone)
        at = np.searchsorted(kept, key)
        self._key = np.insert(kept, at, key)
        self._slot = np.insert(np.delete(self._slot, gone), at, slot)
        self._size = np.insert(np.delete(self._size, gone), at, size)

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
