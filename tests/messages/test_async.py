"""Queues in asyncio event loops: other tasks run while one waits for a message or for room."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest

from pagebuddy.messages import loop as loops
from pagebuddy.sharing.words import R_GETS
from tests.messages.loops import in_thread, ours, until, waiting

pytestmark = pytest.mark.usefixtures("machinery")


def test_a_message_that_is_there_needs_no_thread(queue):
    async def main():
        for sent in (1, "two", [3]):
            await queue.aput(sent)
        got = [await queue.aget() for _ in range(3)]
        return got, ours()

    assert asyncio.run(main()) == ([1, "two", [3]], [])


def test_other_tasks_run_while_one_waits(queue):
    async def main():
        task = asyncio.create_task(queue.aget())
        await waiting(1)
        queue.put("hello")
        return await task

    assert asyncio.run(main()) == "hello"


def test_those_that_came_first_are_served_first(queue):
    async def main():
        tasks = []
        for n in range(20):
            tasks.append(asyncio.create_task(queue.aget()))
            await waiting(n + 1)
        for n in range(20):
            queue.put(n)
        return [await task for task in tasks]

    assert asyncio.run(main()) == list(range(20))


def test_a_task_waits_for_room(arena):
    with arena.queue(maxsize=2) as queue:

        async def produce():
            for n in range(50):
                await queue.aput(n)

        async def main():
            task = asyncio.create_task(produce())
            await waiting(1)
            assert queue.full()
            got = [await queue.aget() for _ in range(50)]
            await task
            return got

        assert asyncio.run(main()) == list(range(50))


def test_a_change_between_a_look_and_the_wait_is_noticed(queue):
    channel = queue._channel

    def due(is_changed, n_woken, is_tick):
        return is_changed

    async def main():
        now = channel.value(R_GETS)
        before = asyncio.create_task(loops.changed("", channel, R_GETS, now, due))
        await waiting(1)
        watcher = loops._watchers[asyncio.get_running_loop()]
        await until(lambda: watcher._asleep)
        before.cancel()
        with suppress(asyncio.CancelledError):
            await before
        # The thread sleeps with the value of now, and this task looked before that.
        await loops.changed("", channel, R_GETS, now - 1, due)

    asyncio.run(main())


def test_threads_and_tasks_of_one_queue(Arena, effort):
    n = effort.pick(300, 3000)
    # All answers are in a queue before the first is read.
    arena = Arena("16 MiB")
    with arena.queue(maxsize=3) as queue, arena.queue() as answers:

        def produce():
            for i in range(n):
                queue.put(i, timeout=60)

        async def consume():
            async for message in queue:
                await answers.aput(message)

        async def main():
            tasks = [asyncio.create_task(consume()) for _ in range(4)]
            await in_thread(produce)
            got = [await answers.aget() for _ in range(n)]
            queue.close()
            await asyncio.gather(*tasks)
            return got

        assert sorted(asyncio.run(main())) == list(range(n))


def test_two_loops_in_two_threads(arena, effort):
    n = effort.pick(50, 1000)
    with arena.queue() as there, arena.queue() as back:

        async def echo():
            async for message in there:
                await back.aput(message)

        async def ask():
            got = []
            for i in range(n):
                await there.aput(i)
                got.append(await back.aget())
            there.unlink()
            return got, len(ours())

        thread = threading.Thread(target=asyncio.run, args=(echo(),))
        thread.start()
        got, n_threads = asyncio.run(ask())
        thread.join(60)
        assert got == list(range(n))
        assert n_threads <= 2


def test_an_error_of_unpickling_is_raised_once(queue):
    class Bad:
        def __reduce__(self):
            return int, ("x",)

    async def main():
        task = asyncio.create_task(queue.aget())
        await waiting(1)
        queue.put(Bad())
        queue.put("good")
        with pytest.raises(ValueError, match="invalid literal"):
            await task
        return await queue.aget()

    assert asyncio.run(main()) == "good"
