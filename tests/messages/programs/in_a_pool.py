"""Queues as arguments of the tasks of pools.

python in_a_pool.py START_METHOD
"""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np

import pagebuddy as pb


def work(tasks, done):
    number = tasks.get(timeout=60)
    done.put(np.full(1000, number))
    return number


def main(method):
    context = multiprocessing.get_context(method)
    arena = pb.Arena("16 MiB")
    for name in (None, "done"):
        tasks, done = arena.queue(), arena.queue(name)
        tasks.put_many(range(3))
        # One after the other: they have threads, beside which the next would fork.
        with pb.ArenaExecutor(1, arena=arena, mp_context=context) as pool:
            assert pool.submit(work, tasks, done).result(60) == 0
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(work, tasks, done).result(60) == 1
        with context.Pool(1) as pool:
            assert pool.apply_async(work, (tasks, done)).get(60) == 2
        arrays = [done.get(timeout=60) for _ in range(3)]
        assert sorted(array.sum() for array in arrays) == [0, 1000, 2000]


if __name__ == "__main__":
    main(sys.argv[1])
