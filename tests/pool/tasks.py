"""What workers run in the tests of pools. A fork server imports this before it starts workers."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import pagebuddy as pb

# The fork server has imported this module and numpy, so that a worker is there at once.
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.pool.tasks"])


class Meeting:
    """A call that runs until the test lets it go: two pipes with names.

    Each end waits until the other one opens the same pipe.
    """

    def __init__(self, folder, name="meeting"):
        self.begun = folder / f"{name}.begun"
        self.go = folder / f"{name}.go"
        os.mkfifo(self.begun)
        os.mkfifo(self.go)

    def call(self, thing=None):
        """In a worker: say who runs this, and wait."""
        self.begun.write_text(str(os.getpid()))
        self.go.read_text()
        return thing

    def worker(self):
        """Wait until the call runs; return its process id."""
        return int(self.begun.read_text())

    def let_go(self):
        self.go.write_text("")

    def release(self):
        """Let the call go if a test failed before."""
        for pipe in (self.begun, self.go):
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


def worker_id(_=None):
    return os.getpid()


def doubled(thing):
    return thing * 2


def same(thing):
    return thing


def total(array):
    return int(array.sum())


def pause(seconds):
    time.sleep(seconds)


def ones(n):
    return np.ones(n, "u1")


def by_exit(code=3):
    os._exit(code)


def by_signal(number=signal.SIGKILL):
    os.kill(os.getpid(), number)
    time.sleep(60)


def by_segfault():
    ctypes.string_at(0)


def by_sys_exit(code=3):
    sys.exit(code)


def by_memory_error():
    return bytearray(1 << 62)


def die_with(_):
    os._exit(3)


def noted(path):
    """Note that this ran; return how often it did."""
    with Path(path).open("a") as file:
        file.write("x")
    return len(Path(path).read_text())


def die_until(path, times):
    """Die in so many runs, and return in the next one how often it ran."""
    runs = noted(path)
    if runs <= times:
        os._exit(1)
    return runs


def fail_always(path):
    noted(path)
    raise ValueError("always")


def numbers():
    yield 1


class Sealed:
    """What cannot be pickled."""

    def __reduce__(self):
        raise TypeError("this is sealed")


def sealed():
    return Sealed()


class Unreadable:
    """What can be pickled, and not unpickled."""

    def __reduce__(self):
        return int, ("unreadable",)


class EndsItsReader:
    """What can be pickled, and whose unpickling ends a process that does not expect it."""

    def __reduce__(self):
        return by_sys_exit, (3,)


class Ending(BaseException):
    """No `Exception`."""


def raise_with(kind, thing):
    raise kind(thing)


def child_exits():
    """Fork; the child ends, and this process waits for it."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def child_returns():
    """Fork; the child returns from the call as well."""
    return os.fork()


def nested(number):
    """A pool in a worker."""
    with pb.ArenaExecutor(1, CONTEXT, arena=pb.Arena("1 MiB")) as pool:
        return pool.submit(doubled, number).result()


def nested_through(arena, number):
    """A pool in a worker, through the same arena."""
    with pb.ArenaExecutor(1, CONTEXT, arena=arena) as pool:
        return total(pool.submit(doubled, np.full(5000, number)).result())
