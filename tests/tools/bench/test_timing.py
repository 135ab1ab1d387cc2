"""Samples: how often a case does its work in one."""

from __future__ import annotations

from time import perf_counter_ns

from pagebuddy.tools.bench.timing import measure

SAMPLE_NS = 40_000_000


def spin(ns):
    end = perf_counter_ns() + ns
    while perf_counter_ns() < end:
        pass


def times_in_samples(first_ns, then_ns):
    """How often a case was to do its work in each sample, where its first run takes another time."""
    asked = []

    def case(times):
        started = perf_counter_ns()
        spin(then_ns * times if asked else first_ns)
        asked.append(times)
        return {"case": (perf_counter_ns() - started, times)}

    measure([case], 2, SAMPLE_NS, lambda: None)
    return asked[-2:]


def test_a_slow_first_run_does_not_make_samples_short():
    """Each would then be one of a few cold runs."""
    assert all(times >= 8 for times in times_in_samples(SAMPLE_NS // 2, 1000))


def test_what_takes_longer_than_a_sample_is_done_once():
    assert times_in_samples(2 * SAMPLE_NS, 2 * SAMPLE_NS) == [1, 1]
