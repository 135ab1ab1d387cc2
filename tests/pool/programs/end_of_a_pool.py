"""What stays in the arena when a pool breaks, is shut down, or its workers are idle: nothing.

python end_of_a_pool.py START_METHOD PART FOLDER
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

import pagebuddy as pb


def wait_for(path):
    while not path.exists():
        time.sleep(0.001)


def die_after(path):
    wait_for(path)
    os.kill(os.getpid(), signal.SIGKILL)


def arrays():
    return [np.ones(20_000) for _ in range(3)]


def fail_with(array):
    raise ValueError(array)


def nothing(*_):
    pass


def figures(arena):
    gc.collect()
    arena.reap()
    stats = arena.stats()
    return stats.used, stats.tickets


def results_in_flight(arena, start, folder):
    """A pool breaks while nobody receives its results, and is dropped with them."""
    received, go = threading.Event(), threading.Event()

    def block(_):
        received.set()
        go.wait()

    with pb.ArenaExecutor(2, start, arena=arena) as pool:
        first = pool.submit(wait_for, folder / "begin")
        # A future that is done calls it in this thread.
        first.add_done_callback(block)
        (folder / "begin").touch()
        received.wait()
        del first
        futures = [pool.submit(arrays) for _ in range(2)]
        futures.append(pool.submit(die_after, folder / "die"))
        (folder / "die").touch()
        while arena.stats().used < 2 * 3 * 40:
            time.sleep(0.001)
        killer = threading.Thread(target=pool.kill_workers)
        killer.start()
        go.set()
        killer.join()
    for future in futures:
        failure = future.exception()
        assert isinstance(failure, (type(None), BrokenProcessPool)), failure
    del future, futures
    assert figures(arena) == (0, 0), figures(arena)


def initializer_arguments(arena, start, folder):
    """A pool that was shut down, or is broken, refers to no array, even if it is kept."""
    pools = []
    for broken in False, True, None:
        pool = pb.ArenaExecutor(1, start, nothing, (arena.copy(np.ones(20_000)),), arena=arena)
        pools.append(pool)
        if broken is not None:
            assert pool.submit(len, "four").result() == 4
        if broken:
            (folder / "die again").touch()
            assert pool.submit(die_after, folder / "die again").exception() is not None
        pool.shutdown()
        assert figures(arena) == (0, 0), (broken, figures(arena))
    pool = pb.ArenaExecutor(1, start, nothing, (arena.copy(np.ones(20_000)),), arena=arena)
    assert pool.submit(len, "four").result() == 4
    pool.shutdown(wait=False)
    while figures(arena) != (0, 0):
        time.sleep(0.001)


def idle_workers(arena, start, folder):
    """What an exception refers to is released before the pool has it."""
    with pb.ArenaExecutor(1, start, arena=arena) as pool:
        # A worker that is forked holds what this process holds then.
        assert pool.submit(len, "four").result() == 4
        own = figures(arena)
        for _ in range(3):
            assert pool.submit(fail_with, arena.copy(np.ones(20_000))).exception() is not None
        # If it is not released, this waits for ever.
        while figures(arena) != own:
            time.sleep(0.001)


if __name__ == "__main__":
    method, part, place = sys.argv[1:]
    arena = pb.Arena("64 MiB")
    parts = {f.__name__: f for f in (results_in_flight, initializer_arguments, idle_workers)}
    parts[part](arena, multiprocessing.get_context(method), Path(place))
    arena.verify()
