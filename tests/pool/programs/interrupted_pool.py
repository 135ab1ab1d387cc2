"""A program that waits for its pool when Ctrl-C is pressed, and then uses the pool again.

python interrupted_pool.py START_METHOD PART FOLDER
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
from pathlib import Path

import pagebuddy as pb


def wait_for(pipe, array):
    """Say that this runs, and wait; a worker may be interrupted as well."""
    with open(pipe, "w"):
        pass
    threading.Event().wait()


def doubled(number):
    return number * 2


def main(method, part, folder):
    arena = pb.Arena("64 MiB")
    pipe = Path(folder, "begun")
    os.mkfifo(pipe)

    def tell():
        pipe.read_text()
        print("waiting", flush=True)

    teller = threading.Thread(target=tell)
    teller.start()
    with pb.ArenaExecutor(1, multiprocessing.get_context(method), arena=arena) as pool:
        array = arena.zeros(5000)
        future = pool.submit(wait_for, pipe, array) if part != "map" else None
        try:
            if part == "result":
                future.result()
            elif part == "map":
                list(pool.map(wait_for, [pipe], [array]))
            else:
                while True:
                    pool.submit(doubled, 4).cancel()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        teller.join()
        print(pool.submit(doubled, 4).result())
        del future, array
    gc.collect()
    arena.reap()
    stats = arena.stats()
    assert (stats.used, stats.tickets, stats.processes) == (0, 0, 1), (stats, arena.processes())
    print("nothing left")


if __name__ == "__main__":
    main(*sys.argv[1:])
