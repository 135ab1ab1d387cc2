"""Samples of many cases, taken by turns."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter_ns

Timed = dict[str, tuple[int, int]]
"""What one sample says: for each name, the nanoseconds it took and for how many units."""

Case = Callable[[int], Timed]
"""Does its work that many times over and says how long each part took."""

Samples = dict[str, list[float]]
"""For each name, the nanoseconds a unit of every round, in the order of the rounds."""


def measure(
    cases: Sequence[Case], rounds: int, sample_ns: int, after_round: Callable[[], object]
) -> Samples:
    """Samples of every case, one in each round, each of about `sample_ns` nanoseconds.

    All cases of a round run within a second or two, so the same disturbance meets both sides of a
    ratio. Each round starts one case further, and every other one goes backwards, so that none
    always follows the same neighbour.
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
    """How often `case` must do its work for a sample of that length."""
    times = 1
    while True:
        elapsed = _elapsed(case, times)
        # A first run also pays for cold caches, untouched pages and a process that was not awake. Taken
        # at its word, each sample would be as few times, and pay for it again.
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
