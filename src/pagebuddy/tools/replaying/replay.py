"""Replays a trace on allocators and checks every answer. Used by `replay_command` and tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pagebuddy import BuddyAllocator, PageRanges
from pagebuddy.errors import CorruptMetadata
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.timeline import Moment, Timeline
from pagebuddy.tools.replaying.contiguity import Contiguity
from pagebuddy.tools.replaying.lane import NO_PAGE, Lane
from pagebuddy.tools.replaying.owners import OwnerMap
from pagebuddy.tools.replaying.pairing import Operations, Pairing
from pagebuddy.tools.replaying.result import ReplayResult
from pagebuddy.tools.replaying.variant import Policy, Variant
from pagebuddy.tools.traces.trace import Trace


def replay(
    trace: Trace,
    ranges: PageRanges,
    *,
    page_size: int = 4096,
    max_order: int | None = None,
    policy: Policy | None = None,
    allocator: type[BuddyAllocator] = BuddyAllocator,
    progress: Callable[[float], None] | None = None,
    timeline: Timeline | None = None,
) -> ReplayResult:
    """Replay a trace on these page ranges.

    The trace determines the order of events, their sizes, and which free belongs to which allocation;
    the allocator chooses the pages. Operations run twice, on two allocators: first in small pieces,
    which reveals the page of every span, for the owner map and to find the peak; then in one piece,
    which is timed. At the end both must have the same metadata and pass `verify()`.

    `progress` is called with the share done, from 0 to 1. A `timeline` gets the figures over time; this
    is not timed, but makes operations slower, because it evicts the caches. `max_order` and `policy`
    default to those of the recorded system, see `Variant`.

    Memory: 26 bytes per page of the ranges, the live spans, and about 60,000 events. Raises `TraceError`
    if the trace cannot be read, `CorruptMetadata` if the allocator broke an invariant.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "small.csv")
    ...     _ = path.write_text("event,pfn,order\\nalloc,256,0\\nalloc,512,9\\nfree,256,0\\n")
    ...     result = replay(Trace(path), PageRanges([(0, 1024)]))
    >>> result.events, result.failures, result.overlaps, result.peak.used, result.end.used
    (3, 0, 0, 513, 512)
    """
    variant = Variant(ranges, page_size, max_order, policy)
    (result,) = compare(trace, [variant], allocator=allocator, progress=progress, timeline=timeline)
    return result


def compare(
    trace: Trace,
    variants: Sequence[Variant],
    *,
    allocator: type[BuddyAllocator] = BuddyAllocator,
    progress: Callable[[float], None] | None = None,
    timeline: Timeline | None = None,
) -> list[ReplayResult]:
    """Replay a trace on several variants, reading it once; each result is as of `replay`.

    All variants are in memory at the same time. A `timeline` follows the first.
    """
    pairing = Pairing()
    replays: list[_Replay] = []
    seconds, since = 0.0, perf_counter()
    for events in trace:
        operations = pairing.pair(events)
        n_bytes = trace.bytes_of(operations.size)
        seconds += perf_counter() - since
        if not replays:
            replays = [
                _Replay(allocator, variant.settled(trace.unit), None if i else timeline)
                for i, variant in enumerate(variants)
            ]
        if operations.slot.size:
            cuts = operations.cuts()
            for replaying in replays:
                replaying.follow(operations, n_bytes, cuts, pairing.n_slots)
        if progress is not None:
            progress(trace.done)
        since = perf_counter()
    seconds += perf_counter() - since
    return [replaying.result(trace, pairing, seconds) for replaying in replays]


class _Replay:
    """A replay in progress."""

    def __init__(
        self, allocator: type[BuddyAllocator], variant: Variant, timeline: Timeline | None
    ) -> None:
        ranges, page_size, max_order = variant.ranges, variant.page_size, variant.max_order
        self.allocator = allocator
        self.variant = variant
        self.watched = Lane(allocator(ranges, page_size=page_size, max_order=max_order))
        self.measured = Lane(allocator(ranges, page_size=page_size, max_order=max_order), timeline)
        self.owners = OwnerMap(ranges)
        self.contiguity = Contiguity(self.owners, page_size)
        self.fullest = _words(self.measured.buddy).copy()
        self.allocs = self.frees = self.failures = self.empty = 0
        # Pages used and bytes requested by live spans: now, and when most pages were used.
        self.used = self.asked = self.peak = self.asked_at_peak = 0
        self.peak_at = 0  # the number of operations before the peak, if a timeline counts them
        self.seconds = 0.0

    def follow(
        self, operations: Operations, n_bytes: NDArray[np.int64], cuts: list[int], n_slots: int
    ) -> None:
        """Replay the next operations."""
        begin = perf_counter()
        n_pages = self.variant.pages_for(n_bytes)
        encoded = self.variant.encoded(operations.is_alloc, operations.slot, n_pages)
        self.seconds += perf_counter() - begin
        self.watched.grow(n_slots)
        self.measured.grow(n_slots)
        page = self.watched.watch(operations, encoded, cuts)
        done = page != NO_PAGE
        self._count(operations.is_alloc, done, n_pages)
        self._own(operations.is_alloc, page, n_pages)
        sign = np.where(operations.is_alloc, 1, -1) * done
        used = self.used + np.cumsum(sign * n_pages)
        asked = self.asked + np.cumsum(sign * n_bytes)
        self._measure(encoded, used, asked)

    def _count(
        self, is_alloc: NDArray[np.bool_], done: NDArray[np.bool_], n_pages: NDArray[np.int64]
    ) -> None:
        n_allocs = int(np.count_nonzero(is_alloc))
        self.allocs += n_allocs
        self.frees += is_alloc.size - n_allocs
        self.failures += int(np.count_nonzero(is_alloc & ~done & (n_pages > 0)))
        self.empty += int(np.count_nonzero(is_alloc & (n_pages == 0)))

    def _own(
        self, is_alloc: NDArray[np.bool_], page: NDArray[np.uint64], n_pages: NDArray[np.int64]
    ) -> None:
        """Follow which pages are owned, in pieces between looks at the free blocks."""

        def follow(start: int, stop: int) -> None:
            done = np.flatnonzero(page[start:stop] != NO_PAGE) + start
            self.owners.follow(is_alloc[done], page[done], n_pages[done])

        start = 0
        for stop in self.contiguity.stops(page.size):
            follow(start, stop)
            self.contiguity.look()
            start = stop
        follow(start, page.size)

    def _measure(
        self, encoded: NDArray[np.uint64], used: NDArray[np.int64], asked: NDArray[np.int64]
    ) -> None:
        """Run and time operations in one piece; if they contain a new peak, stop there for a copy."""
        highest = int(used.max())
        cut = 0
        if highest > self.peak:
            cut = int(np.argmax(used)) + 1
            self.peak, self.asked_at_peak = highest, int(asked[cut - 1])
            self.measured.run(encoded[:cut])
            self.fullest[:] = _words(self.measured.buddy)
            if self.measured.timeline is not None:
                self.peak_at = self.measured.timeline.operations
        self.measured.run(encoded[cut:])
        self.used, self.asked = int(used[-1]), int(asked[-1])

    def result(self, trace: Trace, pairing: Pairing, seconds: float) -> ReplayResult:
        """Check both allocators and return the figures; `seconds` is the time of reading and pairing."""
        self.measured.look()
        self.contiguity.look()
        watched, measured = self.watched.buddy, self.measured.buddy
        if not np.array_equal(_words(watched), _words(measured)):
            raise CorruptMetadata("the same operations leave the same metadata")
        fullest = self.allocator.attach(self.fullest)
        fullest.verify()
        measured.verify()
        peak, end = fullest.stats(), measured.stats()
        if (peak.used, end.used) != (self.peak, self.used):
            raise CorruptMetadata(
                "the used pages are those of live spans",
                f"{peak.used} instead of {self.peak} at the peak, "
                f"{end.used} instead of {self.used} at the end",
            )
        if self.measured.timeline is not None:
            # Otherwise the timeline's maximum could be below the reported peak.
            self.measured.timeline.add(Moment(self.peak_at, peak))
        return ReplayResult(
            trace=str(trace.path),
            format=trace.format,
            unit=trace.unit.value,
            page_size=measured.page_size,
            max_order=measured.max_order,
            policy=Policy(self.variant.policy).value,
            events=trace.n_events,
            allocs=self.allocs,
            frees=self.frees,
            failures=self.failures,
            empty=self.empty,
            skipped_allocs=pairing.skipped_allocs,
            skipped_frees=pairing.skipped_frees,
            differing_sizes=pairing.differing_sizes,
            failed_in_trace=trace.failed,
            lost=trace.lost,
            assumed=trace.assumed,
            disordered=trace.disordered,
            overlaps=self.owners.faults,
            asked_at_peak=self.asked_at_peak,
            asked_in_end=self.asked,
            contiguity=self.contiguity.at_points(),
            peak=peak,
            end=end,
            fullest=Layout.of(fullest),
            final=Layout.of(measured),
            compiled=self.allocator.__module__.endswith("_compiled"),
            core_seconds=self.measured.seconds,
            total_seconds=seconds + self.seconds + self.measured.seconds,
        )


def _words(buddy: BuddyAllocator) -> NDArray[np.uint64]:
    return np.frombuffer(buddy.metadata, np.uint64)
