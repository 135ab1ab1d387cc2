"""Futures of a pool: those of the standard library, for all that takes these."""

from __future__ import annotations

import asyncio
import threading
from concurrent import futures
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    as_completed,
    wait,
)

import numpy as np
import pytest

from tests.pool import tasks

pytestmark = pytest.mark.one_engine


def test_it_is_an_executor_and_returns_futures(shared_pool):
    assert isinstance(shared_pool, Executor)
    future = shared_pool.submit(tasks.doubled, 4)
    assert isinstance(future, Future)
    assert (future.result(), future.exception()) == (8, None)
    assert future.done()
    assert not future.cancel()


def test_a_result_is_the_same_object_each_time(shared_pool):
    future = shared_pool.submit(tasks.ones, 5000)
    assert future.result() is future.result()


def test_a_call_that_waits_can_be_cancelled_and_is_not_run(new_pool, meet, tmp_path):
    meeting = meet()
    pool = new_pool(1)
    running = pool.submit(meeting.call, 7)
    meeting.worker()
    # The first of these may have been sent already.
    waiting = [pool.submit(tasks.noted, tmp_path / str(n)) for n in range(100)]
    cancelled = [future.cancel() for future in waiting]
    assert all(cancelled[50:])
    assert not running.cancel()
    meeting.let_go()
    assert running.result() == 7
    for n, future in enumerate(waiting):
        if cancelled[n]:
            with pytest.raises(CancelledError):
                future.result()
        else:
            assert future.result() == 1
    pool.submit(tasks.doubled, 1).result()
    assert [(tmp_path / str(n)).exists() for n in range(100)] == [not one for one in cancelled]


def test_callbacks_are_called_with_the_future(shared_pool):
    called = threading.Semaphore(0)
    seen = []

    def note(future):
        seen.append(future)
        called.release()

    calls = [shared_pool.submit(tasks.doubled, n) for n in range(10)]
    for future in calls:
        future.add_done_callback(note)
    for _ in calls:
        called.acquire()
    assert {id(future) for future in seen} == {id(future) for future in calls}


def test_a_callback_may_submit_and_wait_for_another_call(shared_pool):
    results = []
    called = threading.Event()

    def call_again(future):
        results.append(shared_pool.submit(tasks.doubled, future.result()))
        called.set()

    shared_pool.submit(tasks.doubled, 2).add_done_callback(call_again)
    called.wait()
    assert results[0].result() == 8


def test_wait_and_as_completed(shared_pool, meet):
    meeting = meet()
    slow = shared_pool.submit(meeting.call, 7)
    meeting.worker()
    quick = shared_pool.submit(tasks.doubled, 4)
    done, waiting = wait([slow, quick], return_when=FIRST_COMPLETED)
    assert (done, waiting) == ({quick}, {slow})
    completed = as_completed([slow, quick])
    assert next(completed) is quick
    meeting.let_go()
    assert next(completed).result() == 7
    assert wait([slow, quick], return_when=ALL_COMPLETED).not_done == set()


def test_result_waits_no_longer_than_its_timeout(shared_pool, meet):
    meeting = meet()
    future = shared_pool.submit(meeting.call, 7)
    meeting.worker()
    with pytest.raises(futures.TimeoutError):
        future.result(timeout=0.01)
    with pytest.raises(futures.TimeoutError):
        future.exception(timeout=0)
    meeting.let_go()
    assert future.result(timeout=60) == 7


def test_calls_in_a_loop_of_asyncio(shared_pool):
    async def main():
        loop = asyncio.get_running_loop()
        arrays = [np.full(5000, n) for n in range(8)]
        calls = [loop.run_in_executor(shared_pool, tasks.doubled, array) for array in arrays]
        assert [int(array[0]) for array in await asyncio.gather(*calls)] == list(range(0, 16, 2))
        wrapped = asyncio.wrap_future(shared_pool.submit(tasks.raise_with, ValueError, "no"))
        with pytest.raises(ValueError, match="no"):
            await wrapped

    asyncio.run(main())


def test_a_coroutine_that_is_cancelled_cancels_its_call(new_pool, meet, tmp_path):
    meeting = meet()
    pool = new_pool(1)

    async def main():
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(pool, meeting.call, 7)
        await asyncio.to_thread(meeting.worker)
        waiting = [loop.run_in_executor(pool, tasks.noted, tmp_path / str(n)) for n in range(100)]
        waiting[-1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting[-1]
        meeting.let_go()
        assert await running == 7
        await asyncio.gather(*waiting[:-1])

    asyncio.run(main())
    assert not (tmp_path / "99").exists()


def test_calls_from_many_threads(shared_pool):
    results = {}

    def work(k):
        calls = [shared_pool.submit(tasks.doubled, 1000 * k + n) for n in range(50)]
        results[k] = [call.result() for call in calls]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {k: [2 * (1000 * k + n) for n in range(50)] for k in range(6)}
