"""Event loops: one thread waits for all queues of a loop, and ends with it."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import time
import weakref
from contextlib import suppress
from importlib import import_module

import pytest

from pagebuddy.messages import loop as loops
from pagebuddy.sharing.system import futex
from tests.messages.loops import in_thread, ours, until, waiting

pytestmark = pytest.mark.usefixtures("machinery")

fork = multiprocessing.get_context("fork")


@pytest.fixture
def arena(Arena):
    return Arena("16 MiB")


# -- one thread --------------------------------------------------------------------------------------


def test_hundreds_of_queues_need_one_thread(arena, monkeypatch, effort):
    n = effort.pick(200, 500)
    queues = [arena.queue(nbytes=4096, maxsize=4) for _ in range(n)]

    async def main():
        before = len(os.listdir("/proc/self/task"))
        tasks = [asyncio.create_task(queue.aget()) for queue in queues]
        await waiting(n)
        assert len(ours()) == 1
        assert len(os.listdir("/proc/self/task")) == before + 1
        # More than the system can wait for at once.
        for order in (range(n), reversed(range(n))):
            for i in order:
                queues[i].put(i)
            assert await asyncio.gather(*tasks) == list(range(n))
            tasks = [asyncio.create_task(queue.aget()) for queue in queues]
        for task in tasks:
            task.cancel()

    asyncio.run(main())
    for queue in queues:
        queue.close()


def test_the_thread_ends_when_nothing_is_awaited(queue, looking):
    async def main():
        for _ in range(2):
            task = asyncio.create_task(queue.aget())
            await waiting(1)
            assert len(ours()) == 1
            queue.put(1)
            await task
            await until(lambda: not ours())

    asyncio.run(main())


def test_closing_the_loop_leaves_no_thread(queue):
    async def main():
        task = asyncio.create_task(queue.aget())
        await waiting(1)
        queue.put("hello")
        return await task, asyncio.create_task(queue.aget())

    got, _ = asyncio.run(main())
    assert got == "hello"
    assert ours() == []


def test_closing_a_loop_with_tasks_that_wait_leaves_no_thread(queue):
    loop = asyncio.new_event_loop()
    task = loop.create_task(queue.aget())
    loop.run_until_complete(waiting(1))
    assert len(ours()) == 1
    loop.close()
    assert ours() == []
    task._log_destroy_pending = False
    with suppress(RuntimeError):
        task.get_coro().close()


def test_a_loop_that_is_closed_is_not_kept(queue):
    async def main():
        task = asyncio.create_task(queue.aget())
        await waiting(1)
        queue.put(1)
        await task

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    kept = weakref.ref(loop)
    del loop
    gc.collect()
    assert kept() is None


def test_a_system_without_the_call_looks_at_the_queues(queue, monkeypatch):
    monkeypatch.setattr(loops, "ENGINE", import_module("pagebuddy.buffers.uncompiled"))
    # No system has that call.
    monkeypatch.setattr(futex, "_WAITV", 100_000)

    async def main():
        got = []
        for n in range(5):
            task = asyncio.create_task(queue.aget())
            await waiting(1)
            await in_thread(queue.put, n)
            got.append(await task)
        return got

    assert asyncio.run(main()) == list(range(5))


@pytest.mark.parametrize("name", ["pagebuddy._compiled", "pagebuddy.buffers.uncompiled"])
@pytest.mark.parametrize("has_call", [True, False])
def test_a_futex_that_changed_before_the_wait_ends_it(monkeypatch, name, has_call):
    """Otherwise this would wait for hours."""
    wait_for_any = pytest.importorskip(name).wait_for_any
    if not has_call:
        monkeypatch.setattr(futex, "_WAITV", 100_000)
    words = memoryview(bytearray(16)).cast("Q")
    addresses = [futex.address_of_futex(words, index) for index in (0, 1)]
    for seen in ([1, 0], [0, 1]):
        wait_for_any(addresses, seen, 10_000_000, 1)
    wait_for_any(addresses[:1], [1], 10_000_000, 1)


@pytest.mark.soak
@pytest.mark.alone
def test_idle_waiting_uses_no_cpu(arena, looking):
    queues = [arena.queue(nbytes=4096, maxsize=4) for _ in range(100)]

    async def main():
        tasks = [asyncio.create_task(queue.aget()) for queue in queues]
        await waiting(100)
        before = time.process_time()
        await asyncio.sleep(1)
        used = time.process_time() - before
        for task in tasks:
            task.cancel()
        return used

    # The thread looks ten times; if it looked all the time, that would be a second.
    assert asyncio.run(main()) < 0.1


# -- forks, and loops that do not run ----------------------------------------------------------------


def answer(queue, answers):
    async def main():
        async for message in queue:
            await answers.aput((os.getpid(), message))

    asyncio.run(main())


def test_a_process_forked_by_a_task_has_a_loop_of_its_own(arena):
    with arena.queue() as queue, arena.queue() as answers:

        async def main():
            # The parent's thread waits when it forks.
            mine = asyncio.create_task(answers.aget())
            await waiting(1)
            child = fork.Process(target=answer, args=(queue, answers))
            child.start()
            await queue.aput("hello")
            got = await mine
            queue.unlink()
            await in_thread(child.join, 60)
            return got == (child.pid, "hello"), child.exitcode

        assert asyncio.run(main()) == (True, 0)


def test_a_loop_that_does_not_run_passes_the_wake_on(queue):
    """Of two loops that wait, the first is woken, and its coroutines take nothing."""
    resting = asyncio.new_event_loop()
    task = resting.create_task(queue.aget())
    resting.run_until_complete(waiting(1))

    async def main():
        awaited = asyncio.create_task(queue.aget())
        await waiting(1)
        both = [loops._watchers[each] for each in (resting, asyncio.get_running_loop())]
        await until(lambda: all(each._asleep for each in both))
        await in_thread(queue.put, "hello")
        # Longer than it takes, and shorter than the thread sleeps if nobody wakes it.
        return await asyncio.wait_for(awaited, 30)

    assert asyncio.run(main()) == "hello"
    task.cancel()
    with suppress(asyncio.CancelledError):
        resting.run_until_complete(task)
    resting.close()


def test_a_loop_that_a_fork_copied_goes_on_waiting(arena):
    with arena.queue() as queue, arena.queue() as answers:
        loop = asyncio.new_event_loop()
        task = loop.create_task(queue.aget())
        loop.run_until_complete(waiting(1))

        def run():
            answers.put("forked")
            answers.put(loop.run_until_complete(task))
            loop.close()
            answers.put(ours())

        child = fork.Process(target=run)
        child.start()
        assert answers.get(timeout=60) == "forked"
        # The parent's task does not take it: its loop does not run.
        queue.put("hello")
        assert answers.get(timeout=60) == "hello"
        assert answers.get(timeout=60) == []
        child.join(60)
        assert child.exitcode == 0
        task.cancel()
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()
