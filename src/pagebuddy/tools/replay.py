"""Replaying a recorded page stream: the allocator chooses the pages, an owner map watches it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pagebuddy import BuddyAllocator, PageRanges
from pagebuddy.errors import CorruptMetadata
from pagebuddy.tools.events import Events
from pagebuddy.tools.lane import Lane
from pagebuddy.tools.layout import Layout
from pagebuddy.tools.owners import OwnerMap
from pagebuddy.tools.pairing import NO_PAGE, Operations, Pairing
from pagebuddy.tools.replay_result import ReplayResult
from pagebuddy.tools.timeline import Timeline
from pagebuddy.tools.trace import Trace


def replay(
    trace: Trace,
    ranges: PageRanges,
    *,
    page_size: int = 4096,
    max_order: int = 10,
    allocator: type[BuddyAllocator] = BuddyAllocator,
    progress: Callable[[float], None] | None = None,
    timeline: Timeline | None = None,
) -> ReplayResult:
    """Replay a trace on these page ranges; `progress` is told the share done, from 0 to 1.

    A `timeline` that is given is filled. Its looks change nothing and are not timed, but leave caches
    cold: the operations take longer.

    Only the order of events, their sizes, and which free belongs to which allocation come from
    the trace; where each span lies is the allocator's choice. Each stretch runs twice, on two
    allocators: the first time cut so that every span's page is seen, for the owner map and to
    find the peak; then in one piece, measured. In the end both must have the same metadata, and
    pass `verify()`.

    Memory: 26 bytes a page of the ranges, and what a stretch and the live spans need. Raises
    `TraceError` where the trace cannot be read, `CorruptMetadata` where the allocator broke an
    invariant.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "small.csv")
    ...     _ = path.write_text("event,pfn,order\\nalloc,256,0\\nalloc,512,9\\nfree,256,0\\n")
    ...     result = replay(Trace(path), PageRanges([(0, 1024)]))
    >>> result.events, result.failures, result.overlaps, result.peak.used, result.end.used
    (3, 0, 0, 513, 512)
    """
    replaying = _Replay(allocator, ranges, page_size, max_order, timeline)
    for events in trace:
        replaying.follow(events)
        if progress is not None:
            progress(trace.done)
    return replaying.result(trace)


class _Replay:
    """A replay on its way."""

    def __init__(
        self,
        allocator: type[BuddyAllocator],
        ranges: PageRanges,
        page_size: int,
        max_order: int,
        timeline: Timeline | None,
    ) -> None:
        self.allocator = allocator
        self.pairing = Pairing()
        self.watched = Lane(allocator(ranges, page_size=page_size, max_order=max_order))
        self.measured = Lane(allocator(ranges, page_size=page_size, max_order=max_order), timeline)
        self.owners = OwnerMap(ranges)
        self.fullest = _words(self.measured.buddy).copy()
        self.allocs = self.frees = self.failures = 0
        self.used = self.peak = 0
        # Reading and preparing: the time since the last stretch was done, and all before.
        self.seconds = 0.0
        self.since = perf_counter()

    def follow(self, events: Events) -> None:
        """Replay the next stretch."""
        operations = self.pairing.pair(events)
        encoded = operations.encoded()
        self.seconds += perf_counter() - self.since
        if operations.slot.size:
            level = self._watch(operations, encoded)
            self._measure(encoded, level)
        self.since = perf_counter()

    def _watch(self, operations: Operations, encoded: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Run a stretch with every span watched; the pages used after each operation."""
        is_alloc = operations.is_alloc
        self.watched.grow(self.pairing.n_slots)
        page = self.watched.watch(operations, encoded)
        done = page != NO_PAGE
        n = np.where(done, 1 << operations.order, 0)
        self.owners.follow(is_alloc[done], page[done], n[done])
        n_allocs = int(np.count_nonzero(is_alloc))
        self.allocs += n_allocs
        self.frees += is_alloc.size - n_allocs
        self.failures += int(np.count_nonzero(is_alloc & ~done))
        return self.used + np.cumsum(np.where(is_alloc, n, -n))

    def _measure(self, encoded: NDArray[np.uint64], level: NDArray[np.int64]) -> None:
        """Run a stretch in one piece, or in two with a copy taken between where it has the peak."""
        self.measured.grow(self.pairing.n_slots)
        highest = int(level.max())
        cut = 0
        if highest > self.peak:
            self.peak = highest
            cut = int(np.argmax(level)) + 1
            self.measured.run(encoded[:cut])
            self.fullest[:] = _words(self.measured.buddy)
        self.measured.run(encoded[cut:])
        self.used = int(level[-1])

    def result(self, trace: Trace) -> ReplayResult:
        """Check everything and sum up."""
        self.seconds += perf_counter() - self.since
        self.measured.look()
        watched, measured = self.watched.buddy, self.measured.buddy
        if not np.array_equal(_words(watched), _words(measured)):
            raise CorruptMetadata("the same operations leave the same metadata")
        fullest = self.allocator.attach(self.fullest)
        fullest.verify()
        measured.verify()
        peak, end = fullest.stats(), measured.stats()
        if (peak.used, end.used) != (self.peak, self.used):
            raise CorruptMetadata(
                "the pages used are those of the spans taken and not given back",
                f"{peak.used} for {self.peak} at the peak, {end.used} for {self.used} in the end",
            )
        return ReplayResult(
            trace=str(trace.path),
            page_size=measured.page_size,
            max_order=measured.max_order,
            events=trace.n_events,
            allocs=self.allocs,
            frees=self.frees,
            failures=self.failures,
            skipped_allocs=self.pairing.skipped_allocs,
            skipped_frees=self.pairing.skipped_frees,
            differing_orders=self.pairing.differing_orders,
            failed_in_trace=trace.failed,
            lost=trace.lost,
            overlaps=self.owners.faults,
            peak=peak,
            end=end,
            fullest=Layout.of(fullest),
            final=Layout.of(measured),
            compiled=self.allocator.__module__.endswith("_compiled"),
            core_seconds=self.measured.seconds,
            total_seconds=self.seconds + self.measured.seconds,
        )


def _words(buddy: BuddyAllocator) -> NDArray[np.uint64]:
    return np.frombuffer(buddy.metadata, np.uint64)
