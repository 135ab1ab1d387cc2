"""Queues in asyncio event loops: one thread waits for all of them, and a cancelled task loses nothing.

In most tests the thread never looks by itself, so that a test in which a wake is lost does not end.
"""

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
import weakref
from contextlib import suppress
from importlib import import_module

import pytest

from pagebuddy import engine as chosen
from pagebuddy.messages import loop as loops
from pagebuddy.messages.shut_down import ShutDown
from pagebuddy.sharing.system import futex
from pagebuddy.sharing.words import R_GETS

fork = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def machinery(engine, monkeypatch):
    """Wait with the engine under test, and let nothing be found later that was not found at once."""
    module = chosen.ENGINE
    if engine == "uncompiled":
        module = import_module("pagebuddy.buffers.uncompiled")
    monkeypatch.setattr(loops, "ENGINE", module)
    monkeypatch.setattr(loops, "_SLICE", 60)
    yield
    assert ours() == []


@pytest.fixture
def looking(monkeypatch):
    """Let the thread look for what the dead left as often as it does for users."""
    monkeypatch.setattr(loops, "_SLICE", 0.1)


@pytest.fixture
def arena(Arena):
    return Arena("16 MiB")


@pytest.fixture
def queue(arena):
    with arena.queue() as made:
        yield made


def ours():
    """The threads that wait for rings."""
    return [each for each in threading.enumerate() if each.name == "pagebuddy-loop"]


async def until(is_so):
    """Let other tasks run until something is so."""
    while not is_so():
        await asyncio.sleep(0.001)


async def waiting(n):
    """Let other tasks run until so many wait for queues in this loop."""
    watcher = loops._watchers
    loop = asyncio.get_running_loop()

    def count():
        found = watcher.get(loop)
        return sum(len(group.waits) for group in found._groups.values()) if found else 0

    await until(lambda: count() == n)


def in_thread(function, *arguments):
    """Run a function in a thread, from a coroutine."""
    return asyncio.get_running_loop().run_in_executor(None, function, *arguments)


# -- get and put -------------------------------------------------------------------------------------


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


def test_threads_and_tasks_of_one_queue(arena, effort):
    n = effort.pick(300, 3000)
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


# -- cancelled ---------------------------------------------------------------------------------------


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


# -- the end -----------------------------------------------------------------------------------------


def test_closing_the_queue_ends_what_waits_for_it(arena):
    queue, full = arena.queue(), arena.queue(maxsize=1)
    full.put(1)

    async def iterate():
        return [message async for message in queue]

    async def main():
        tasks = [
            asyncio.create_task(each)
            for each in (iterate(), queue.aget(), full.aput(2), queue.aget(while_producers=True))
        ]
        await waiting(4)
        queue.close()
        full.close()
        return await asyncio.gather(*tasks, return_exceptions=True)

    ended, *errors = asyncio.run(main())
    assert ended == []
    assert [type(each) for each in errors] == [ValueError] * 3
    assert all("this queue was closed" in str(each) for each in errors)


def test_a_closed_queue_is_not_kept(arena):
    gc.collect()
    before = arena.stats().used
    queue = arena.queue()

    async def main():
        task = asyncio.create_task(queue.aget())
        await waiting(1)
        queue.put(1)
        await task
        queue.put(bytes(100_000))
        queue.close()
        return arena.stats().used

    assert asyncio.run(main()) == before


def test_unlinking_the_queue_ends_what_waits_for_it(arena):
    queue, other = arena.queue("frames", maxsize=1), arena.queue("frames")

    async def iterate():
        return [message async for message in queue]

    async def main():
        tasks = [asyncio.create_task(each) for each in (iterate(), queue.aget())]
        await waiting(2)
        await in_thread(other.unlink)
        return await asyncio.gather(*tasks, return_exceptions=True)

    ended, error = asyncio.run(main())
    assert ended == []
    assert type(error) is ShutDown
    assert "was unlinked" in str(error)
    with pytest.raises(ShutDown, match="was unlinked"):
        asyncio.run(queue.aput(1))


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


def produce_and_die(queue):
    queue.put("last")
    os.kill(os.getpid(), signal.SIGKILL)


def test_waiting_while_there_are_producers(queue, looking):
    async def main():
        waits = asyncio.create_task(queue.aget(while_producers=True))
        await waiting(1)
        producer = fork.Process(target=produce_and_die, args=(queue,))
        producer.start()
        got = await waits
        with pytest.raises(ShutDown, match="all its producers are gone"):
            await queue.aget(while_producers=True)
        producer.join(60)
        return got

    assert asyncio.run(main()) == "last"


def test_a_producer_that_closes_its_queue_is_told_at_once(arena):
    queue, other = arena.queue("frames"), arena.queue("frames")

    def produce_in_thread():
        with other:
            other.put(1)

    async def main():
        asked = asyncio.create_task(queue.aget(while_producers=True))
        await waiting(1)
        await in_thread(produce_in_thread)
        got = await asked
        with pytest.raises(ShutDown):
            await queue.aget(while_producers=True)
        return got

    assert asyncio.run(main()) == 1


# -- forks -------------------------------------------------------------------------------------------


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
