"""Functions and classes of a session, which workers cannot import; cloudpickle is installed.

python typed_in.py START_METHOD
"""

from __future__ import annotations

import multiprocessing
import sys

import pagebuddy as pb


class Counted:
    def __init__(self, n):
        self.n = n


def increased(counted):
    return Counted(counted.n + 1)


if __name__ == "__main__":
    # As in a session.
    del __file__
    context = multiprocessing.get_context(sys.argv[1])
    with pb.ArenaExecutor(1, context, arena=pb.Arena("4 MiB")) as pool:
        counted = pool.submit(increased, Counted(2)).result()

        def later(n):
            return n * 10

        made = pool.submit(lambda: lambda: 5).result()
        print(counted.n, list(pool.map(later, [1, 2])), made(), type(counted) is Counted)
