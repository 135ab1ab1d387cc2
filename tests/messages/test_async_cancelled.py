"""Event loops: a task that is cancelled, at any moment and in any way, loses no message."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from contextlib import suppress

import pytest

from pagebuddy.messages import loop as loops
from tests.messages.loops import in_thread, waiting

pytestmark = pytest.mark.usefixtures("machinery")

fork = multiprocessing.get_context("fork")


def test_a_task_that_is_cancelled_while_it_waits_takes_nothing(queue):
    async def main():
        task = asyncio.create_task(queue.aget())
        await waiting(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        queue.put("hello")
        return queue.get_nowait()

    assert asyncio.run(main()) == "hello"


def test_a_task_that_is_cancelled_when_it_was_woken_leaves_the_message_to_the_next(queue):
    async def main():
        first = asyncio.create_task(queue.aget())
        await waiting(1)
        second = asyncio.create_task(queue.aget())
        await waiting(2)
        watcher = loops._watchers[asyncio.get_running_loop()]
        (group,) = watcher._groups.values()
        queue.put("hello")
        # Without a turn of the loop, in which the task would take the message.
        while len(group.waits) == 2:
            time.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(main()) == "hello"


def test_a_task_that_is_cancelled_at_any_moment_loses_no_message(queue, effort):
    rng = random.Random(effort.seed)

    async def main():
        for n in range(effort.pick(100, 3000)):
            task = asyncio.create_task(queue.aget())
            await waiting(1)
            queue.put(n)
            end = time.perf_counter() + rng.choice((0, 1e-5, 1e-4, 3e-4))
            while time.perf_counter() < end:
                if rng.random() < 0.01:
                    await asyncio.sleep(0)
            task.cancel()
            try:
                assert await task == n
            except asyncio.CancelledError:
                assert queue.get_nowait() == n

    asyncio.run(main())


def produce(queue, n):
    for i in range(n):
        queue.put((os.getpid(), i), timeout=60)


@pytest.mark.parametrize("n_processes", [1, 2])
def test_tasks_with_short_timeouts_lose_no_message_of_other_processes(arena, effort, n_processes):
    n = effort.pick(200, 3000)
    rng = random.Random(effort.seed)
    with arena.queue(maxsize=5) as queue:
        got = []

        async def consume():
            mine = []
            while len(got) < n * n_processes:
                with suppress(asyncio.TimeoutError):
                    timeout = rng.choice((0, 1e-6, 1e-4, 1e-3, 1e-2))
                    message = await asyncio.wait_for(queue.aget(), timeout)
                    got.append(message)
                    mine.append(message)
            return mine

        async def main():
            return await asyncio.gather(*(consume() for _ in range(4)))

        producers = [fork.Process(target=produce, args=(queue, n)) for _ in range(n_processes)]
        for each in producers:
            each.start()
        each_got = asyncio.run(main())
        for each in producers:
            each.join(60)
        assert sorted(got) == sorted((each.pid, i) for each in producers for i in range(n))
        for mine in each_got:
            # In the order in which they were put.
            for each in producers:
                numbers = [i for pid, i in mine if pid == each.pid]
                assert numbers == sorted(numbers)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there is no TaskGroup")
def test_a_group_of_tasks_that_is_cancelled_loses_no_message(queue, effort):
    class Enough(Exception):
        pass

    got = []

    async def consume(n):
        while True:
            got.append(await queue.aget())
            if len(got) % n == 0:
                raise Enough

    async def main():
        n = effort.pick(300, 5000)
        producing = in_thread(produce, queue, n)
        while len(got) < n:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(4):
                        group.create_task(consume(7 if len(got) < n - 7 else n))
            except ExceptionGroup:  # noqa: F821 - since Python 3.11
                pass
        await producing
        return n

    n = asyncio.run(main())
    assert sorted(got) == [(os.getpid(), i) for i in range(n)]


def test_a_cancelled_put_puts_nothing(arena):
    with arena.queue(maxsize=1) as queue:
        queue.put("first")
        gc.collect()
        before = arena.stats()

        async def main():
            task = asyncio.create_task(queue.aput(b"x" * 100_000))
            await waiting(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        gc.collect()
        after = arena.stats()
        assert (after.used, after.tickets) == (before.used, before.tickets)
        assert queue.get() == "first"
        assert queue.empty()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Ctrl-C strikes anywhere before Python 3.11")
def test_ctrl_c_loses_no_message(queue, effort):
    n = effort.pick(10, 200)
    got = []

    async def consume():
        while True:
            got.append(await queue.aget())

    rng = random.Random(effort.seed)

    def strike(stopped):
        n_sent = 0
        for _ in range(n):
            while not started.wait(60):
                pass
            started.clear()
            for _ in range(rng.randrange(20)):
                queue.put(n_sent)
                n_sent += 1
            os.kill(os.getpid(), signal.SIGINT)
        stopped.append(n_sent)

    async def main():
        task = asyncio.create_task(consume())
        started.set()
        await task

    started = threading.Event()
    stopped = []
    thread = threading.Thread(target=strike, args=(stopped,))
    thread.start()
    for _ in range(n):
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(main())
    thread.join(60)
    while not queue.empty():
        got.append(queue.get())
    assert got == list(range(stopped[0]))
