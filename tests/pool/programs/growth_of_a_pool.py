"""What happens where a pool breaks while it starts a worker.

python growth_of_a_pool.py START_METHOD
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool

import pagebuddy as pb

# Long enough for a pool that does not wait, which fails its calls at once.
PATIENCE = 0.3


class Workers(dict):
    """A pool's list of workers; when the second has begun and is not in it yet, the first one dies."""

    first_call = None

    def __setitem__(self, pid, process):
        if self:
            (older,) = self
            os.kill(older, signal.SIGKILL)
            done = wait([self.first_call], timeout=PATIENCE).done
            assert not done, "the pool broke beside a call"
        super().__setitem__(pid, process)


def main(method):
    arena = pb.Arena("1 MiB")
    with pb.ArenaExecutor(2, multiprocessing.get_context(method), arena=arena) as pool:
        pool._processes = workers = Workers()
        workers.first_call = pool.submit(signal.pause)
        second_call = pool.submit(len, b"hello")
        for future in (workers.first_call, second_call):
            assert isinstance(future.exception(), BrokenProcessPool)
    assert multiprocessing.active_children() == []


if __name__ == "__main__":
    main(sys.argv[1])
