"""Processes that have nothing in common but the names of an arena and of two queues.

python by_name.py START_METHOD
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from contextlib import suppress

import numpy as np

import pagebuddy as pb

EACH = 30


def work(arena_name):
    arena = pb.Arena.open(arena_name, "16 MiB")
    tasks, done = arena.queue("tasks"), arena.queue("done")
    done.put("here")
    for number, array in tasks:
        done.put((number, array.sum()))
        done.put(np.full(2000, number))
    # The queue of tasks was unlinked.
    done.close()


def main(method):
    context = multiprocessing.get_context(method)
    name = f"pagebuddy-test-{os.getpid()}-by-name"
    arena = pb.Arena.open(name, "16 MiB")
    try:
        before = arena.stats().used, arena.stats().tickets
        tasks, done = arena.queue("tasks", maxsize=4), arena.queue("done")
        workers = [context.Process(target=work, args=(name,)) for _ in range(2)]
        for worker in workers:
            worker.start()
        # Whoever comes after `unlink` would wait at a queue of its own.
        assert [done.get(timeout=60) for _ in workers] == ["here", "here"]
        for number in range(EACH):
            tasks.put((number, np.full(3000, number)), timeout=60)
        tasks.unlink()
        sums, arrays = {}, []
        while len(sums) < EACH or len(arrays) < EACH:
            got = done.get(timeout=60, while_producers=True)
            if isinstance(got, tuple):
                sums[got[0]] = got[1]
            else:
                arrays.append(got[0])
                assert (got == got[0]).all()
        assert sums == {number: 3000 * number for number in range(EACH)}
        assert sorted(arrays) == list(range(EACH))
        with suppress(pb.ShutDown):
            done.get(timeout=60, while_producers=True)
            raise AssertionError("there are producers")
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
        done.unlink()
        done.close()
        tasks.close()
        del got
        arena.reap()
        assert (arena.stats().used, arena.stats().tickets) == before
    finally:
        arena.unlink()


if __name__ == "__main__":
    main(sys.argv[1])
