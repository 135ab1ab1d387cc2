"""Room: a full arena, maps in bounded memory, and more workers than an arena has slots for."""

from __future__ import annotations

import itertools

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


def test_more_workers_than_slots_are_refused_or_do_the_calls():
    """What a pool must not do is to wait for ever."""
    arena = pb.Arena("16 MiB", slots=3)
    with pb.ArenaExecutor(6, tasks.CONTEXT, arena=arena) as pool:
        futures = [pool.submit(tasks.doubled, n) for n in range(50)]
        for n, future in enumerate(futures):
            error = future.exception()
            assert error is None or "slot" in f"{error} {error.__cause__}"
            assert error is not None or future.result() == 2 * n


@pytest.mark.soak
def test_sixty_workers_with_the_slots_of_a_new_arena():
    with pb.ArenaExecutor(60, tasks.CONTEXT) as pool:
        assert list(pool.map(tasks.doubled, range(2000))) == list(range(0, 4000, 2))
