"""A program that ends and leaves its pool: the calls that wait are run before.

python unended_pool.py START_METHOD HOW
"""

from __future__ import annotations

import multiprocessing
import sys

import numpy as np

import pagebuddy as pb


def doubled(array):
    return array * 2


def show(future):
    print(int(future.result()[0]), flush=True)


def main(method, how):
    pool = pb.ArenaExecutor(1, multiprocessing.get_context(method), arena=pb.Arena("16 MiB"))
    for n in range(4):
        pool.submit(doubled, np.full(20_000, n)).add_done_callback(show)
    pool.submit(len, "").add_done_callback(lambda _: print("done", flush=True))
    # For the rest of this process.
    main.pool = pool
    if how == "exit":
        sys.exit(0)
    if how == "raise":
        sys.excepthook = lambda *_: sys.exit(0)
        raise KeyError("the end")


if __name__ == "__main__":
    main(*sys.argv[1:])
