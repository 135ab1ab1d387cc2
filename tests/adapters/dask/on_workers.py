"""What the tests let workers do. Workers import this module."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
from distributed import get_worker


def adapter():
    """The adapter in this process; None if it is not preloaded."""
    import sys

    return sys.modules.get("pagebuddy.adapters.dask")


def lies_in_arena(array):
    """Whether an array lies in the arena of this process."""
    there = adapter()
    if there is None or there._member is None:
        return False
    try:
        there._member.arena.buffer_of(array)
    except ValueError:
        return False
    return True


def filled(n_bytes, value):
    return np.full(n_bytes, value, "u1")


def described(array):
    """Whether an array lies in the arena, its first and last item, and whether it may be changed."""
    return lies_in_arena(array), int(array[0]), int(array[-1]), array.flags.writeable


def fails_once(array, path):
    """Fail the first time, then return what `described` returns."""
    try:
        with open(path, "x"):
            pass
    except FileExistsError:
        return described(array)
    raise RuntimeError("once")


def counts():
    """How often this process did what Dask alone does, by the reason."""
    return adapter().fallbacks.counts


def dies_after(name):
    """Let this process die when it has called a method of its membership, or a function, once."""
    there = adapter()
    owner = there._Member if hasattr(there._Member, name) else there
    before = getattr(owner, name)

    def dying(*args):
        before(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying)


def dies_before(name):
    """Let this process die when it is about to call such a method or function."""
    there = adapter()

    def dying(*args):
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(there._Member if hasattr(there._Member, name) else there, name, dying)


def loses_the_next_handle():
    """Let the next handle that this process gets be ended before it is claimed."""
    there = adapter()
    claimed = there._claimed

    def late(handle):
        there._claimed = claimed
        there._member.arena.reap(unclaimed_after=0)
        return claimed(handle)

    there._claimed = late


def set_life(seconds):
    """Let the handles that this process makes expire after so many seconds."""
    adapter()._member._life_s = seconds


def spilled():
    """How many keys of this worker are in memory, and how many on its disk."""
    data = get_worker().data
    return len(data.memory), len(data.disk)


def resident():
    """How many bytes of the arena the system counts as this process's memory."""
    member = adapter()._member
    base, _ = member._attachment.extent
    total = None
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = line.split(None, 1)[0]
        if "-" in first and not first.endswith(":"):
            start, end = (int(each, 16) for each in first.split("-"))
            total = 0 if start <= base < end else None
        elif line.startswith("Rss:") and total == 0:
            return int(line.split()[1]) * 1024
    return 0


class Counter:
    """An actor that changes its array."""

    def __init__(self, n_bytes):
        self.array = np.zeros(n_bytes, "u1")

    def add(self, other):
        self.array += other
        return self.array


def forget():
    """Let this process unmap the pages of the arena that it does not hold."""
    adapter()._member.forget()
