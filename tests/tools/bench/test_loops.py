"""The engine's workloads: they do what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from pagebuddy.allocator.buddy import BuddyAllocator
from pagebuddy.tools.bench import loops
from pagebuddy.tools.bench.subject import Bench, Subject

N = 128


class Noting(BuddyAllocator):
    """Notes which pages were allocated, and which were freed, in order."""

    got: list[int]
    put: list[int]

    def run(self, ops, pages):
        slots = ops & np.uint64(0xFFFF_FFFF)
        if not (ops >> np.uint64(32)).any():
            self.put += pages[slots].tolist()
        failed = super().run(ops, pages)
        if (ops >> np.uint64(32)).all():
            self.got += pages[slots].tolist()
        return failed


class Small(Subject):
    n_pages = N
    n_operations = 10


@pytest.fixture
def made():
    """The allocators that a subject made."""
    return []


@pytest.fixture
def subject(made):
    def allocator(n_pages):
        made.append(Noting(n_pages))
        made[-1].got, made[-1].put = [], []
        return made[-1]

    return Small("engine", allocator, False, None, Bench())


@pytest.mark.parametrize("workload", [loops.bulk, loops.rand])
def test_half_of_the_memory_is_allocated_and_freed_in_the_order_of_the_workload(
    subject, made, workload
):
    (case,) = workload([subject])
    name, times = workload.__name__, 3
    found = case(times)
    assert {part: n for part, (_, n) in found.items()} == {
        f"engine.{name} get": times * N // 2,
        f"engine.{name} put": times * N // 2,
    }
    (buddy,) = made
    assert buddy.stats().used == 0
    got, put = buddy.got[: N // 2], buddy.put[: N // 2]
    assert len(set(got)) == N // 2
    if name == "bulk":
        assert put == got[::-1]
    else:
        assert sorted(put) == sorted(got)
        assert put not in (got, got[::-1])
    # Each turn begins like the first.
    assert (buddy.got, buddy.put) == (got * times, put * times)


def test_repeat_allocates_another_page_beside_half_of_the_memory(subject, made):
    (case,) = loops.repeat([subject])
    assert {part: n for part, (_, n) in case(2).items()} == {"engine.repeat": 20}
    assert made[0].stats().used == N // 2


def test_the_list_alone_changes_nothing(subject, made):
    (case,) = loops.the_list([subject])
    assert {part: n for part, (_, n) in case(2).items()} == {"engine.list": N}
    assert made[0].stats().used == 0
    assert set(made[0].put) == {2**64 - 1}
