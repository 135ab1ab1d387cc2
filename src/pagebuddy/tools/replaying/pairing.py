"""Finds the allocation that each free belongs to. Used by `replay` and `ranges`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagebuddy.tools.traces.events import UNTOLD, Events


class Operations(NamedTuple):
    """Operations for an allocator in the order of their events, with one entry per operation.

    `slot` is where the span's first page is kept from its allocation to its free; an `Operations`
    allocates to no slot twice. `size` is the size of the span, in the unit of the trace. `alloc_at` is
    the index of the allocation that a free belongs to, or -1 if it came earlier; for an allocation it is
    its own index.
    """

    is_alloc: NDArray[np.bool_]
    slot: NDArray[np.int64]
    size: NDArray[np.int64]
    alloc_at: NDArray[np.int64]

    def cuts(self) -> list[int]:
        """The fewest cuts such that no piece contains both an allocation and its free."""
        cuts: list[int] = []
        last = 0
        frees = np.flatnonzero(~self.is_alloc & (self.alloc_at >= 0))
        for free, alloc in zip(frees.tolist(), self.alloc_at[frees].tolist(), strict=True):
            if alloc >= last:
                cuts.append(free)
                last = free
        return cuts


class Pairing:
    """Pairs frees with their allocations by key. Memory: the live spans, and the events of one call.

    Skipped and counted: allocations of a live key (`skipped_allocs`), and frees of a key without a
    recorded allocation (`skipped_frees`). A free with another size than its allocation frees the whole
    span; `differing_sizes` counts these.

    Invariants: `_key` ascends and contains each live key once; `_slot` and `_size` belong to the same
    span; each slot below `n_slots` is either in `_slot` or in `_idle`.

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
        """The operations of the next events. O(n log n) in the events, linear in the live spans."""
        # Sorted by key and then by time: each run of equal keys is the history of one key.
        by_key = np.argsort(events.key, kind="stable")
        key, is_alloc = events.key[by_key], events.is_alloc[by_key]
        starts = _starts(key)
        _, known = self._find(key[starts])

        # A key is live after an allocation and not live after a free. So an event has an effect if
        # its kind differs from the event before; the first of a run compares with the table.
        live_before = np.concatenate(([False], is_alloc[:-1]))[: key.size]
        live_before[starts] = known
        acts = np.flatnonzero(is_alloc != live_before)
        skipped_allocs = int(np.count_nonzero(is_alloc & live_before))
        self.skipped_allocs += skipped_allocs
        self.skipped_frees += key.size - acts.size - skipped_allocs

        # Among events with an effect, allocations and frees alternate in each run.
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

        # A run that ends with an allocation leaves its key live.
        ends = np.append(starts[1:], key.size)[: starts.size] - 1
        left = ends[is_alloc[ends]]
        self._replace(at, key[left], slot[left], size[left])
        self._idle = np.append(self._idle, slot[~is_alloc])

        # Back to the order of time.
        in_time = np.argsort(by_key[acts])
        time = np.empty_like(in_time)
        time[in_time] = position
        alloc_at = np.full(key.size, -1)
        alloc_at[is_alloc] = time[is_alloc]
        alloc_at[ours] = time[before[ours]]
        return Operations(is_alloc[in_time], slot[in_time], size[in_time], alloc_at[in_time])

    def _find(self, key: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """The index in the table at which each key is or would be, and whether it is there."""
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
        """Remove spans from the table by index, then add spans, ascending by key."""
        kept = np.delete(self._key, gone)
        at = np.searchsorted(kept, key)
        self._key = np.insert(kept, at, key)
        self._slot = np.insert(np.delete(self._slot, gone), at, slot)
        self._size = np.insert(np.delete(self._size, gone), at, size)

    def _take_slots(self, n: int) -> NDArray[np.int64]:
        """Take n slots, first from the idle ones."""
        again, self._idle = self._idle[:n], self._idle[n:]
        new = np.arange(self.n_slots, self.n_slots + n - again.size)
        self.n_slots += new.size
        return np.concatenate((again, new))


def _starts(ascending: NDArray[np.uint64]) -> NDArray[np.intp]:
    """The index at which each run of equal numbers starts."""
    differs = np.ones(ascending.size, np.bool_)
    differs[1:] = ascending[1:] != ascending[:-1]
    return np.flatnonzero(differs)
