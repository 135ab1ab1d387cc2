"""Send arrays of an arena in every way of multiprocessing, with one start method. Prints "ok"."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from pagebuddy import Arena


def double(array):
    array *= 2
    return array[::2]


def double_all(pipe, queue, array):
    array *= 2
    pipe.send(array)
    queue.put(array)


def main(method, name):
    context = multiprocessing.get_context(method)
    arena = Arena.create(name, "4 MiB")
    try:
        array = arena.full(100_000, 1.0)
        used = arena.stats().used_bytes
        with context.Pool(1) as pool:
            (half,) = pool.map(double, [array])
        assert (array == 2).all()
        assert np.shares_memory(half, array)
        with ProcessPoolExecutor(1, mp_context=context) as executor:
            half = executor.submit(double, array.reshape(1000, 100).T).result()
        assert (array == 4).all()
        assert half.shape == (50, 1000)
        assert np.shares_memory(half, array)
        here, there = context.Pipe()
        queue = context.Queue()
        process = context.Process(target=double_all, args=(there, queue, array[10:]))
        process.start()
        received = here.recv(), queue.get()
        process.join()
        assert array[9] == 4
        assert (array[10:] == 8).all()
        assert all(np.shares_memory(each, array) for each in received)
        arena.reap()
        assert (arena.stats().used_bytes, arena.stats().tickets) == (used, 0)
    finally:
        arena.unlink()
    print("ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
