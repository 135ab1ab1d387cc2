"""Room: a full arena, maps in bounded memory, and more workers than an arena has slots for."""

from __future__ import annotations

import itertools
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

import numpy as np
import pytest

import pagebuddy as pb
from tests.pool import tasks

MIB = 1 << 20


def test_an_argument_that_can_never_fit_fails_its_call_alone(new_pool):
    pool = new_pool(1)
    error = pool.submit(tasks.total, np.zeros(17 * MIB, "u1")).exception()
    assert isinstance(error, pb.OutOfPages)
    assert pool.submit(tasks.total, np.ones(MIB, "u1")).result() == MIB


def test_a_result_that_can_never_fit_fails_its_call_alone(new_pool):
    pool = new_pool(1)
    assert isinstance(pool.submit(tasks.ones, 17 * MIB).exception(), pb.OutOfPages)
    assert len(pool.submit(tasks.ones, MIB).result()) == MIB


def test_arguments_wait_for_room_that_will_become_available(new_pool):
    pool = new_pool(2)
    arrays = [np.full(3 * MIB, n, "u1") for n in range(10)]
    assert list(pool.map(tasks.total, arrays)) == [3 * MIB * n for n in range(10)]


def test_results_that_are_dropped_make_room_for_others(new_pool):
    """Three times as much as the arena has room for."""
    pool = new_pool(2)
    n = 0
    for array in pool.map(tasks.ones, [MIB] * 48, buffersize=4):
        n += array.nbytes
        del array
    assert n == 48 * MIB


def test_results_that_nobody_reads_wait_for_room_beside_those_that_are_read(new_pool):
    pool = new_pool(2)
    futures = [pool.submit(tasks.ones, MIB) for _ in range(48)]
    futures.reverse()
    while futures:
        assert len(futures.pop().result()) == MIB


def test_a_map_with_a_buffer_runs_over_a_generator_without_end(new_pool, arena):
    pool = new_pool(2)
    pool.submit(tasks.doubled, 4).result()
    before = arena.stats().used_bytes
    taken = itertools.count()
    arrays = (np.full(MIB, next(taken) % 7, "u1") for _ in itertools.count())
    results = pool.map(tasks.total, arrays, buffersize=3)
    for n, result in enumerate(itertools.islice(results, 50)):
        assert result == n % 7 * MIB
        # Three calls that wait, and two that run.
        assert arena.stats().used_bytes <= before + 5 * MIB
    results.close()
    assert next(taken) <= 50 + 3


def test_a_map_without_a_buffer_takes_its_input_at_once(new_pool):
    pool = new_pool(1)
    items = iter(range(500))
    results = pool.map(tasks.doubled, items)
    assert next(items, None) is None
    assert list(results) == list(range(0, 1000, 2))


@pytest.mark.parametrize(
    ("buffersize", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError), ("2", TypeError)]
)
def test_a_buffer_size_must_be_a_number_of_calls(new_pool, buffersize, error):
    with pytest.raises(error, match="buffersize"):
        new_pool(1).map(tasks.doubled, [1], buffersize=buffersize)


def test_more_workers_than_an_arena_has_slots_for_are_refused(arena):
    with pytest.raises(ValueError, match="slots"):
        pb.ArenaExecutor(60, tasks.CONTEXT, arena=arena)


@pytest.mark.soak
def test_sixty_workers_in_an_arena_of_their_own():
    with pb.ArenaExecutor(60, tasks.CONTEXT) as pool:
        futures = [pool.submit(tasks.doubled, n) for n in range(2000)]
        assert [future.result() for future in futures] == list(range(0, 4000, 2))


@pytest.mark.soak
def test_two_pools_that_have_too_few_slots_together_do_not_hang(new_pool):
    """Workers that find no slot say so, and end. Calls are run by the others, or fail."""
    pools = [new_pool(40), new_pool(40)]
    for pool in pools:
        futures = []
        # A pool whose workers all ended takes no more calls.
        with suppress(BrokenProcessPool):
            for _ in range(60):
                futures.append(pool.submit(tasks.pause, 0.1))
        for future in futures:
            error = future.exception()
            assert error is None or isinstance(error, BrokenProcessPool)
