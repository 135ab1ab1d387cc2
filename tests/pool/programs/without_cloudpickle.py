"""What is said of a lambda, and of a function that was typed in, where cloudpickle is not installed."""

from __future__ import annotations

import multiprocessing
import sys

import pagebuddy as pb


def typed_in():
    pass


if __name__ == "__main__":
    sys.modules["cloudpickle"] = None
    arena = pb.Arena("4 MiB")
    with pb.ArenaExecutor(1, multiprocessing.get_context("fork"), arena=arena) as pool:
        error = pool.submit(lambda: 0).exception()
        assert pool.submit(len, "four").result() == 4
        assert pool.submit(typed_in).result() is None
    print(type(error).__name__, error)
    # As in a session.
    del __file__
    with pb.ArenaExecutor(1, multiprocessing.get_context("spawn"), arena=arena) as pool:
        error = pool.submit(typed_in).exception()
    print(type(error).__name__, error)
