"""Workers that cannot be started."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures.process import BrokenProcessPool

import pytest

import pagebuddy as pb


class FewProcesses:
    """A way to start one process, as in a system that has no room for another."""

    def __init__(self):
        self.context = multiprocessing.get_context("forkserver")
        self.n_left = 1

    def get_start_method(self, allow_none=False):
        return "forkserver"

    def Process(self, *args, **options):
        self.n_left -= 1
        if self.n_left < 0:
            raise BlockingIOError("Resource temporarily unavailable")
        return self.context.Process(*args, **options)


@pytest.mark.one_engine
def test_a_worker_that_cannot_be_replaced_breaks_the_pool():
    with pb.ArenaExecutor(1, FewProcesses(), arena=pb.Arena("8 MiB")) as pool:
        died, other = pool.submit(os._exit, 3), pool.submit(len, "four")
        assert isinstance(died.exception(), BrokenProcessPool)
        broken = other.exception()
        assert isinstance(broken, BrokenProcessPool)
        assert "could not be started: Resource temporarily unavailable" in str(broken)
        with pytest.raises(BrokenProcessPool):
            pool.submit(len, "four")


@pytest.mark.one_engine
def test_a_first_worker_that_cannot_be_started_is_reported_by_submit():
    context = FewProcesses()
    context.n_left = 0
    arena = pb.Arena("8 MiB")
    with pb.ArenaExecutor(1, context, arena=arena) as pool:
        with pytest.raises(BlockingIOError):
            pool.submit(len, "four")
        # It is as if nothing had been asked for.
        context.n_left = 1
        assert pool.submit(len, "four").result() == 4
    assert arena.stats().used == 0
