"""What workers of a pool make lies in the arena, and is not copied.

python results_of_a_pool.py START_METHOD
"""

import multiprocessing
import sys

import numpy as np

import pagebuddy as pb

N = 20_000
ARENA = []


def begin(arena):
    ARENA.append(arena)


def made(value):
    """Return an array, and where it is in the arena; -1 if it is elsewhere."""
    array = np.full(N, value)
    try:
        return array, ARENA[0].buffer_of(array).offset
    except ValueError:
        return array, -1


def main(start):
    context = multiprocessing.get_context(start)
    arena = pb.Arena("8 MiB")
    with pb.ArenaExecutor(2, context, begin, (arena,), arena=arena) as pool:
        for value, (array, offset) in enumerate(pool.map(made, range(6))):
            assert pool.arena.buffer_of(array).offset == offset
            assert (array == value).all()
        del array
        # More than fits.
        larger = pool.submit(np.zeros, 2 * N).result()
        assert larger.sum() == 0
        del larger
        assert pool.submit(np.zeros, 2 << 20, "u1").result().nbytes == 2 << 20
        pool.arena.verify()
    assert pool.arena.stats().used == 0
    arena = pb.Arena("8 MiB")
    with pb.ArenaExecutor(1, context, begin, (arena,), arena=arena, numpy_memory=False) as pool:
        array, offset = pool.submit(made, 5).result()
        assert offset == -1
        assert pool.arena.buffer_of(array).nbytes == 8 * N
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
