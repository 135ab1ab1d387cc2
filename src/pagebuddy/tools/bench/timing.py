"""Takes samples of many cases in turns. Used by the verb `bench` and by `benchmarks/`."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter_ns

Timed = dict[str, tuple[int, int]]
"""A sample: for each name, the nanoseconds and the number of units."""

Case = Callable[[int], Timed]
"""Does its work so many times; returns the time of each part."""

Samples = dict[str, list[float]]
"""For each name, the nanoseconds per unit in each round."""


def measure(
    cases: Sequence[Case], rounds: int, sample_ns: int, after_round: Callable[[], object]
) -> Samples:
    """Take a sample of each case in each round, of about `sample_ns` nanoseconds.

    A round takes a second or two, so a disturbance affects both sides of a ratio. Each round starts
    with another case, and every other round goes backwards, so neighbours vary.
    """
    with _no_garbage_collection():
        times = [_times_for(case, sample_ns) for case in cases]
        samples: Samples = {}
        for turn in range(rounds):
            for place in range(len(cases)):
                which = (place + turn if turn % 2 else turn - place) % len(cases)
                for name, (elapsed, units) in cases[which](times[which]).items():
                    samples.setdefault(name, []).append(elapsed / units)
            after_round()
    return samples


def _times_for(case: Case, sample_ns: int) -> int:
    """The number of repetitions for a sample of that length."""
    times = 1
    while True:
        elapsed = _elapsed(case, times)
        # The first run may be slow: cold caches, untouched pages, a sleeping process. Measure again, or
        # samples would have too few repetitions.
        if sample_ns // 8 <= elapsed < sample_ns * 16:
            elapsed = min(elapsed, _elapsed(case, times))
        if elapsed >= sample_ns // 8:
            return max(1, round(times * sample_ns / elapsed))
        times *= 4


def _elapsed(case: Case, times: int) -> int:
    started = perf_counter_ns()
    case(times)
    return perf_counter_ns() - started


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
