"""Workers that are forked: what they hold of what their parent held."""

from __future__ import annotations

import gc
import sys
from multiprocessing import get_context

import pytest

import pagebuddy as pb

KEPT: list[object] = []


def new_array(arena):
    return arena.zeros(1 << 20, "u1")


def new_buffer(arena):
    return arena.alloc(1 << 20)


def new_view(arena):
    return arena.alloc(1 << 20).view


@pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="a frame keeps what its variables referred to"
)
@pytest.mark.parametrize("make", [new_array, new_buffer, new_view])
def test_a_forked_worker_releases_the_local_variables_of_its_parent(arena, make):
    held = make(arena)
    with pb.ArenaExecutor(1, get_context("fork"), arena=arena) as pool:
        assert pool.submit(len, "four").result() == 4
        before = arena.stats().used_bytes
        del held
        gc.collect()
        assert arena.stats().used_bytes == before - (1 << 20)


def total_of_global():
    return int(KEPT[0].sum())


def test_a_forked_worker_keeps_what_its_functions_can_reach(arena):
    KEPT.append(arena.full(1000, 3))
    local = arena.full(1000, 5)
    totals = []
    with pb.ArenaExecutor(
        1, get_context("fork"), lambda: totals.append(local.sum()), arena=arena
    ) as pool:
        future = pool.submit(total_of_global)
        KEPT.clear()
        # The worker has the only reference to these pages now, and others would get them.
        taken = [arena.full(1000, 7) for _ in range(20)]
        assert future.result() == pool.submit(total_of_global).result() == 3000
    assert len(taken) == 20
