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
        future = pool.submit(len, np.zeros(5000))
        assert isinstance(future.exception(), BrokenProcessPool)
    arena.reap()
    stats = arena.stats()
    assert (stats.used, stats.tickets, stats.processes) == (0, 0, 1), stats


if __name__ == "__main__":
    main(sys.argv[1])
