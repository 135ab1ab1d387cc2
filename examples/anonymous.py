"""Workers without copies: each is given the arena's descriptor, and fills its rows of one array."""

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
    place = arena.buffer_of(table).offset
    share = ROWS // WORKERS
    workers = []
    for first in range(0, ROWS, share):
        task = [arena.fileno(), place, first, first + share]
        workers.append(
            subprocess.Popen([sys.executable, __file__, *map(str, task)], pass_fds=[arena.fileno()])
        )
    assert [worker.wait() for worker in workers] == [0] * WORKERS
    print(f"{WORKERS} workers filled {table.nbytes} bytes in place; the last row is", table[-1, 0])
    del table
    print(arena.stats().used, "pages in use")


if __name__ == "__main__":
    work(*map(int, sys.argv[1:])) if len(sys.argv) > 1 else main()
