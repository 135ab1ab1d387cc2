"""Event loops: what ends the wait for a queue that is closed or unlinked, or has no producers."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal

import pytest

from pagebuddy.messages.shut_down import ShutDown
from tests.messages.loops import in_thread, waiting

pytestmark = pytest.mark.usefixtures("machinery")

fork = multiprocessing.get_context("fork")


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
