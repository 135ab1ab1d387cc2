"""Pools: ordinary functions of arrays, in other processes, the arrays staying where they are."""

from __future__ import annotations

import pytest

import pagebuddy as pb


def test_jobs_of_a_pool(run, start):
    run("jobs_of_a_pool", start)


@pytest.mark.parametrize("start", ["spawn", pytest.param("forkserver", marks=pytest.mark.soak)])
def test_a_pool_whose_workers_die_before_they_begin(run, start):
    # With "fork" nothing is sent to a worker that begins.
    run("stillborn_workers", start)


@pytest.mark.one_engine
@pytest.mark.parametrize("part", ["results_in_flight", "initializer_arguments", "idle_workers"])
def test_nothing_stays_in_the_arena_of_a_pool_that_ends_or_is_idle(run, start, part, tmp_path):
    run("end_of_a_pool", start, part, str(tmp_path))


@pytest.mark.parametrize("arena", ["64 MiB", 7, pb.Arena])
def test_what_is_no_arena_is_refused(arena):
    with pytest.raises(TypeError, match="must be an Arena"):
        pb.ArenaExecutor(1, arena=arena)


def test_an_arena_of_one_process_is_refused(Arena):
    with pytest.raises(ValueError, match="shared"):
        pb.ArenaExecutor(1, arena=Arena.over(bytearray(1 << 20)))


def test_an_initializer_is_called(Arena):
    with pytest.raises(TypeError, match="initializer"):
        pb.ArenaExecutor(1, initializer=7, arena=Arena("1 MiB"))


def test_a_closed_arena_is_refused(Arena):
    arena = Arena("1 MiB")
    arena.close()
    with pytest.raises(pb.ArenaClosed):
        pb.ArenaExecutor(1, arena=arena)
