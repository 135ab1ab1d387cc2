"""Cases of the engine: many pages in one call, recover, verify. Used by `__main__`."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

import numpy as np

from pagebuddy.tools.bench.loops import half_full
from pagebuddy.tools.bench.streams import SEED

if TYPE_CHECKING:
    from pagebuddy import BuddyAllocator
    from pagebuddy.tools.bench.subject import Subject
    from pagebuddy.tools.bench.timing import Case, Timed


def _taken_and_given(
    subject: Subject, name: str, buddy: BuddyAllocator, count: int, *, shuffled: bool = False
) -> Case:
    """Allocate `count` single pages in one call, free them in another; sorting is not timed."""
    places = np.random.default_rng(SEED).permutation(count)

    def case(times: int) -> Timed:
        taking = giving = 0
        for _ in range(times):
            started = perf_counter_ns()
            pages = buddy.alloc_many(0, count)
            taking += perf_counter_ns() - started
            ascending = np.sort(np.asarray(pages))
            pages = ascending[places] if shuffled else ascending
            started = perf_counter_ns()
            buddy.free_many(pages)
            giving += perf_counter_ns() - started
        return {
            subject.of(f"{name} alloc_many"): (taking, count * times),
            subject.of(f"{name} free_many"): (giving, count * times),
        }

    return case


def whole(subject: Subject) -> Case:
    """All pages of an empty allocator, freed in ascending order."""
    n = subject.n_pages
    return _taken_and_given(subject, "whole", subject.allocator(n), n)


def shuffled(subject: Subject) -> Case:
    """The same, freed in random order."""
    n = subject.n_pages
    return _taken_and_given(subject, "shuffled", subject.allocator(n), n, shuffled=True)


def fragmented(subject: Subject) -> Case:
    """Three quarters of the free pages of a half-full allocator, freed in ascending order."""
    buddy, _ = half_full(subject)
    return _taken_and_given(subject, "fragmented", buddy, buddy.stats().free * 3 // 4)


def recover(subject: Subject) -> Case:
    """Rebuild lists, bits and counts from the records, half full."""
    buddy, _ = half_full(subject)

    def case(times: int) -> Timed:
        started = perf_counter_ns()
        for _ in range(times):
            buddy.recover()
        return {subject.of("recover"): (perf_counter_ns() - started, times)}

    return case


def verify(subject: Subject) -> Case:
    """Check all invariants, half full."""
    buddy, _ = half_full(subject)

    def case(times: int) -> Timed:
        started = perf_counter_ns()
        for _ in range(times):
            buddy.verify()
        return {subject.of("verify"): (perf_counter_ns() - started, times)}

    return case


def all_of(subject: Subject) -> list[Case]:
    """All cases of this file."""
    return [make(subject) for make in (whole, fragmented, shuffled, recover, verify)]
