"""What a pool was given for its workers, none of which lives to have it.

python stillborn_workers.py START_METHOD
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures.process import BrokenProcessPool

import numpy as np

import pagebuddy as pb

if __name__ == "__mp_main__":
    os._exit(1)


def main(method):
    arena = pb.Arena("1 MiB")
    context = multiprocessing.get_context(method)
    with pb.ArenaExecutor(2, context, np.sum, (np.zeros(5000),), arena=arena) as pool:
        for _ in range(2):
            try:
                error = pool.submit(len, np.zeros(5000)).exception()
            except BrokenProcessPool as broken:
                # From Python 3.14 on a fork server runs this module as well, and dies.
                error = broken
            assert isinstance(error, BrokenProcessPool)
    arena.reap()
    stats = arena.stats()
    assert (stats.used, stats.tickets, stats.processes) == (0, 0, 1), stats


if __name__ == "__main__":
    main(sys.argv[1])
