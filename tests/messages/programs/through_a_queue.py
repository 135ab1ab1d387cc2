"""Two producers, two consumers, arrays of all lengths: each arrives once, whole.

python through_a_queue.py START_METHOD
"""

from __future__ import annotations

import gc
import multiprocessing
import sys

import numpy as np

import pagebuddy as pb

EACH = 60


def length(number):
    return 10 ** (number % 5)


def produce(arena, queue, first):
    for number in range(first, first + EACH):
        # Every other one is made in the arena.
        made = arena.empty(length(number)) if number % 2 else np.empty(length(number))
        made[...] = number
        queue.put((number, made))


def consume(queue, done):
    while (message := queue.get()) is not None:
        number, array = message
        assert array.shape == (length(number),)
        assert (array == number).all()
        done.put(number)


def main(method):
    context = multiprocessing.get_context(method)
    arena = pb.Arena("32 MiB")
    queue, done = arena.queue(), arena.queue()
    before = arena.stats().used
    consumers = [context.Process(target=consume, args=(queue, done)) for _ in range(2)]
    producers = [context.Process(target=produce, args=(arena, queue, first)) for first in (0, EACH)]
    for process in consumers + producers:
        process.start()
    numbers = sorted(done.get(timeout=60) for _ in range(2 * EACH))
    assert numbers == list(range(2 * EACH))
    for _ in consumers:
        queue.put(None)
    for process in consumers + producers:
        process.join()
        assert process.exitcode == 0
    gc.collect()
    arena.reap()
    assert (arena.stats().used, arena.stats().tickets) == (before, 0), list(arena.buffers())


if __name__ == "__main__":
    main(sys.argv[1])
