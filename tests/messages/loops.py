"""What event loops wait for, for tests."""

from __future__ import annotations

import asyncio
import threading

from pagebuddy.messages import loop as loops


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
