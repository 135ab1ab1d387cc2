"""Pools whose workers are started by a fork server, and what they must leave: nothing.

Their engine is the one that `import pagebuddy` chooses, in all processes.
"""

from __future__ import annotations

import gc
import os
import select
from contextlib import ExitStack

import pytest

import pagebuddy as pb
from tests.pool.tasks import CONTEXT, Meeting


@pytest.fixture
def arena():
    return pb.Arena("16 MiB")


@pytest.fixture
def meetings():
    """The meetings of a test."""
    return []


@pytest.fixture
def new_pool(arena, meetings):
    """Make pools in the arena, with two workers. At the end nothing may be left in it."""
    with ExitStack() as pools:

        def make(max_workers=2, mp_context=CONTEXT, **options):
            options.setdefault("arena", arena)
            return pools.enter_context(pb.ArenaExecutor(max_workers, mp_context, **options))

        yield make
        for meeting in meetings:
            meeting.release()
    assert_nothing_left(arena)


@pytest.fixture(scope="module")
def shared_pool():
    """A pool for all tests of a file which its workers survive."""
    with pb.ArenaExecutor(2, CONTEXT, arena=pb.Arena("16 MiB")) as pool:
        yield pool
    assert_nothing_left(pool.arena)


@pytest.fixture
def meet(tmp_path, meetings):
    """Make meetings, by name."""

    def make(name="meeting"):
        meetings.append(Meeting(tmp_path, name))
        return meetings[-1]

    yield make
    for meeting in meetings:
        meeting.release()


def assert_nothing_left(arena):
    gc.collect()
    arena.reap()
    stats = arena.stats()
    assert (stats.used, stats.tickets, stats.processes) == (0, 0, 1), arena.processes()
    arena.verify()


def wait_for_end(pid):
    """Wait until a process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([fd], [], [])
    finally:
        os.close(fd)
