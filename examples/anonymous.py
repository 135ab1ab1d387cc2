"""Four worker processes fill one array, without copies.

Each worker gets the arena's file descriptor and the array's offset, and fills its share of the rows.
"""

import subprocess
import sys

import numpy as np

import pagebuddy as pb

ROWS, COLUMNS, WORKERS = 1200, 1000, 4


def work(descriptor: int, offset: int, first: int, last: int) -> None:
    arena = pb.Arena.attach(descriptor)
    table = arena.buffer_at(offset).array((ROWS, COLUMNS), float)
    table[first:last] = np.sqrt(np.arange(first, last))[:, None]


def main() -> None:
    arena = pb.Arena("64 MiB")
    table = arena.empty((ROWS, COLUMNS))
    offset = arena.buffer_of(table).offset  # in bytes; the same in every process
    share, fd = ROWS // WORKERS, arena.fileno()
    commands = [
        [sys.executable, __file__, *map(str, (fd, offset, first, first + share))]
        for first in range(0, ROWS, share)
    ]
    workers = [subprocess.Popen(command, pass_fds=[fd]) for command in commands]
    assert [worker.wait() for worker in workers] == [0] * WORKERS
    print(f"{WORKERS} workers filled {table.nbytes} bytes; the last row is {table[-1, 0]:.3f}")
    del table  # the last reference to the array: its memory is free again
    print(arena.stats().used_bytes, "bytes in use")


if __name__ == "__main__":
    work(*map(int, sys.argv[1:])) if len(sys.argv) > 1 else main()
