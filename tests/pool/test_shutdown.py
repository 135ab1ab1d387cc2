"""Ends of pools: with calls that wait, without a shutdown, and at once."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import CancelledError, wait
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

import pagebuddy as pb
from tests.pool import tasks
from tests.pool.conftest import assert_nothing_left, wait_for_end


def test_shutdown_waits_for_the_calls_that_wait(new_pool):
    pool = new_pool(2)
    futures = [pool.submit(tasks.total, np.full(5000, n)) for n in range(200)]
    pool.shutdown()
    assert all(future.done() for future in futures)
    assert [future.result() for future in futures] == [5000 * n for n in range(200)]
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(tasks.doubled, 4)


def test_shutdown_may_cancel_the_calls_that_wait(new_pool, meet):
    meeting = meet()
    pool = new_pool(1)
    running = pool.submit(meeting.call, 7)
    worker = meeting.worker()
    waiting = [pool.submit(tasks.doubled, n) for n in range(200)]
    pool.shutdown(wait=False, cancel_futures=True)
    meeting.let_go()
    assert running.result() == 7
    wait(waiting)
    # The first of them may have been sent already.
    assert all(future.cancelled() for future in waiting[100:])
    assert all(f.cancelled() or f.result() == 2 * n for n, f in enumerate(waiting))
    wait_for_end(worker)


def test_calls_go_on_after_a_shutdown_that_does_not_wait(new_pool, meet):
    meeting = meet()
    pool = new_pool(1)
    futures = [pool.submit(meeting.call, 7), *(pool.submit(tasks.doubled, n) for n in range(100))]
    worker = meeting.worker()
    pool.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(tasks.doubled, 4)
    meeting.let_go()
    assert [future.result() for future in futures] == [7, *range(0, 200, 2)]
    wait_for_end(worker)
    pool.shutdown()
    pool.shutdown()


def test_a_worker_that_dies_after_shutdown_is_replaced_while_calls_wait(new_pool, meet):
    meeting = meet()
    pool = new_pool(1)
    dying = pool.submit(meeting.call)
    futures = [pool.submit(tasks.by_exit), *(pool.submit(tasks.doubled, n) for n in range(100))]
    meeting.worker()
    pool.shutdown(wait=False)
    meeting.let_go()
    assert dying.result() is None
    assert isinstance(futures[0].exception(), pb.WorkerDied)
    assert [future.result() for future in futures[1:]] == list(range(0, 200, 2))


def test_a_pool_that_was_dropped_ends_its_calls_and_workers(arena):
    before = set(threading.enumerate())
    pool = pb.ArenaExecutor(1, tasks.CONTEXT, arena=arena)
    worker = pool.submit(tasks.worker_id).result()
    futures = [pool.submit(tasks.total, np.full(5000, n)) for n in range(50)]
    del pool
    gc.collect()
    assert [future.result() for future in futures] == [5000 * n for n in range(50)]
    wait_for_end(worker)
    for thread in set(threading.enumerate()) - before:
        thread.join()
    del futures
    assert_nothing_left(arena)


@pytest.mark.parametrize("end", ["kill_workers", "terminate_workers"])
def test_workers_can_be_ended_at_once(new_pool, meet, end):
    meetings = [meet(name) for name in "ab"]
    pool = new_pool(2)
    running = [pool.submit(meeting.call, np.ones(5000)) for meeting in meetings]
    workers = [meeting.worker() for meeting in meetings]
    waiting = [pool.submit(tasks.total, np.ones(5000)) for _ in range(50)]
    getattr(pool, end)()
    for worker in workers:
        wait_for_end(worker)
    for future in running:
        assert isinstance(future.exception(), BrokenProcessPool)
    for future in waiting:
        try:
            assert isinstance(future.exception(), BrokenProcessPool)
        except CancelledError:
            assert future.cancelled()
    with pytest.raises(RuntimeError):
        pool.submit(tasks.doubled, 4)


@pytest.mark.parametrize("end", ["kill_workers", "terminate_workers"])
def test_workers_can_be_ended_before_there_are_any_and_twice(new_pool, end):
    pool = new_pool(1)
    getattr(pool, end)()
    getattr(pool, end)()


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("start", "how"),
    [
        ("fork", "raise"),
        ("spawn", "return"),
        *(
            pytest.param(start, how, marks=pytest.mark.soak)
            for start in ("fork", "spawn", "forkserver")
            for how in ("return", "raise", "exit")
        ),
    ],
)
def test_a_program_may_end_without_a_shutdown(run, start, how):
    assert run("unended_pool", start, how).split() == ["0", "2", "4", "6", "done"]
