"""What is said of a lambda where cloudpickle is not installed."""

from __future__ import annotations

import multiprocessing
import sys

import pagebuddy as pb

if __name__ == "__main__":
    sys.modules["cloudpickle"] = None
    with pb.ArenaExecutor(1, multiprocessing.get_context("fork"), arena=pb.Arena("4 MiB")) as pool:
        error = pool.submit(lambda: 0).exception()
        assert pool.submit(len, "four").result() == 4
    print(type(error).__name__, error)
