"""Processes that all use shared memory for the first time at once, and read each other's segments.

python first_use.py START_METHOD
"""

from __future__ import annotations

import multiprocessing
import os
import sys

from pagebuddy import shared_memory

N = 5

shared_memory.PREFIX = os.environ.get("PAGEBUDDY_TEST_SHM", shared_memory.PREFIX)


def work(i, barrier, done):
    barrier.wait()
    own = shared_memory.SharedMemory(f"segment {i}", create=True, size=5000 + i)
    own.buf[0] = i
    barrier.wait()
    for j in range(N):
        segment = shared_memory.SharedMemory(f"segment {j}")
        assert (segment.buf[0], segment.size) == (j, 5000 + j)
    barrier.wait()
    own.close()
    own.unlink()
    done.put(i)


def main(method):
    context = multiprocessing.get_context(method)
    barrier, done = context.Barrier(N), context.SimpleQueue()
    processes = [context.Process(target=work, args=(i, barrier, done)) for i in range(N)]
    for process in processes:
        process.start()
    ended = {done.get() for _ in range(N)}
    for process in processes:
        process.join()
    print(f"{len(ended)} processes")


if __name__ == "__main__":
    main(sys.argv[1])
