"""Deaths of workers: only the call that was running fails, and a new worker takes the place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np
import pytest

import pagebuddy as pb
from tests.pool import tasks
from tests.pool.conftest import assert_nothing_left, wait_for_end

WAYS = [
    pytest.param(tasks.by_exit, "3", id="os._exit"),
    pytest.param(tasks.by_signal, "SIGKILL", id="SIGKILL"),
    pytest.param(tasks.by_segfault, "SIGSEGV", id="segfault", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("way", "said"), WAYS)
def test_a_death_fails_only_the_call_that_the_worker_ran(new_pool, meet, way, said):
    meeting = meet()
    pool = new_pool()
    running = pool.submit(meeting.call, 7)
    meeting.worker()
    dying = pool.submit(way)
    others = [pool.submit(tasks.doubled, n) for n in range(20)]
    error = dying.exception()
    assert isinstance(error, pb.WorkerDied)
    assert isinstance(error, BrokenProcessPool)
    assert said in str(error)
    assert way.__name__ in str(error)
    assert [future.result() for future in others] == list(range(0, 40, 2))
    assert not running.done()
    meeting.let_go()
    assert running.result() == 7


@pytest.mark.soak
def test_a_worker_that_died_is_replaced(new_pool):
    pool = new_pool(1)
    first = pool.submit(tasks.worker_id).result()
    for _ in range(3):
        assert isinstance(pool.submit(tasks.by_exit).exception(), pb.WorkerDied)
    assert pool.submit(tasks.worker_id).result() != first


def test_an_idle_worker_that_was_killed_loses_no_call(new_pool):
    pool = new_pool(1)
    worker = pool.submit(tasks.worker_id).result()
    os.kill(worker, signal.SIGKILL)
    wait_for_end(worker)
    assert pool.submit(tasks.doubled, 4).result() == 8


def test_calls_that_the_worker_had_not_begun_are_run_by_another(new_pool, meet):
    meeting = meet()
    pool = new_pool(1)
    lost = pool.submit(meeting.call)
    # More than a worker receives at a time.
    others = [pool.submit(tasks.doubled, n) for n in range(300)]
    os.kill(meeting.worker(), signal.SIGKILL)
    assert isinstance(lost.exception(), pb.WorkerDied)
    assert [future.result() for future in others] == list(range(0, 600, 2))


def test_results_from_before_a_death_come(new_pool):
    pool = new_pool(1)
    before = [pool.submit(tasks.doubled, n) for n in range(100)]
    dying = pool.submit(tasks.by_signal)
    after = [pool.submit(tasks.doubled, n) for n in range(100)]
    assert isinstance(dying.exception(), pb.WorkerDied)
    assert [future.result() for future in before + after] == [*range(0, 200, 2)] * 2


def test_what_a_dead_worker_was_sent_and_held_is_freed(new_pool, arena, meet):
    meeting = meet()
    pool = new_pool(1)
    pool.submit(tasks.doubled, 4).result()
    # What the pool itself needs.
    before = arena.stats().used
    lost = pool.submit(meeting.call, np.ones(1 << 20, "u1"))
    waiting = [pool.submit(tasks.total, np.ones(1 << 19, "u1")) for _ in range(8)]
    os.kill(meeting.worker(), signal.SIGKILL)
    assert isinstance(lost.exception(), pb.WorkerDied)
    assert [future.result() for future in waiting] == [1 << 19] * 8
    assert arena.stats().used == before


@pytest.mark.parametrize("start", ["forkserver", "fork"])
def test_without_restart_a_death_breaks_the_pool(new_pool, meet, start):
    meeting = meet()
    context = tasks.CONTEXT if start == "forkserver" else get_context("fork")
    # Under fork this is the default: a process with threads is not forked again.
    options = {"restart": False} if start == "forkserver" else {}
    pool = new_pool(2, context, **options)
    running = pool.submit(meeting.call)
    meeting.worker()
    dying = pool.submit(tasks.by_signal)
    waiting = pool.submit(tasks.doubled, 4)
    wait([running, dying])
    for future in (running, dying):
        assert isinstance(future.exception(), BrokenProcessPool)
    assert waiting.exception() is None or isinstance(waiting.exception(), BrokenProcessPool)
    with pytest.raises(BrokenProcessPool):
        pool.submit(tasks.doubled, 4)


def test_under_fork_restart_is_refused(arena):
    with pytest.raises(ValueError, match="fork"):
        pb.ArenaExecutor(1, get_context("fork"), arena=arena, restart=True)


def test_sys_exit_in_a_call_is_its_exception(new_pool):
    pool = new_pool(1)
    worker = pool.submit(tasks.worker_id).result()
    error = pool.submit(tasks.by_sys_exit, 5).exception()
    assert isinstance(error, SystemExit)
    assert error.code == 5
    assert pool.submit(tasks.worker_id).result() == worker


def test_no_memory_in_a_call_is_its_exception(new_pool):
    pool = new_pool(1)
    assert isinstance(pool.submit(tasks.by_memory_error).exception(), MemoryError)
    assert pool.submit(tasks.doubled, 4).result() == 8


def test_an_initializer_that_ends_the_worker_breaks_the_pool(new_pool):
    """Or workers would be started for ever."""
    pool = new_pool(1, initializer=tasks.by_exit)
    try:
        error = pool.submit(tasks.doubled, 4).exception()
    except BrokenProcessPool as broken:
        error = broken
    assert isinstance(error, BrokenProcessPool)


def test_a_call_is_retried_if_its_worker_died(new_pool, tmp_path):
    pool = new_pool(1, retries=2)
    assert pool.submit(tasks.die_until, tmp_path / "twice", 2).result() == 3


def test_a_call_whose_workers_always_die_is_lost_after_its_retries(new_pool, tmp_path):
    pool = new_pool(1, retries=2)
    path = tmp_path / "always"
    assert isinstance(pool.submit(tasks.die_until, path, 100).exception(), pb.WorkerDied)
    assert len(path.read_text()) == 3
    assert pool.submit(tasks.doubled, 4).result() == 8


def test_an_exception_is_not_retried(new_pool, tmp_path):
    pool = new_pool(1, retries=2)
    path = tmp_path / "error"
    assert isinstance(pool.submit(tasks.fail_always, path).exception(), ValueError)
    assert path.read_text() == "x"


@pytest.mark.parametrize("retries", [-1, 1.5, "2"])
def test_retries_must_be_a_number_of_times(arena, retries):
    with pytest.raises(ValueError if retries == -1 else TypeError, match="retries"):
        pb.ArenaExecutor(1, tasks.CONTEXT, arena=arena, retries=retries)


def test_the_death_of_the_parent_ends_the_workers(name, tmp_path):
    arena = pb.Arena.create(name, "16 MiB")
    program = [sys.executable, "-m", "tests.pool.programs.parent_of_a_pool", name, str(tmp_path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as parent:
        workers = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(workers) == 2
    for worker in workers:
        wait_for_end(worker)
    assert_nothing_left(arena)
    arena.close()
