"""Fixtures for tests of messages: processes that take part, and what an arena holds."""

from __future__ import annotations

import gc
import os
from contextlib import suppress

import pytest

from tests.sharing.conftest import Child


@pytest.fixture
def begin():
    """Start a forked process that runs a part. Those that still run at the end are killed."""
    children = []

    def begin(part):
        children.append(Child(part))
        return children[-1]

    yield begin
    for child in children:
        with suppress(ProcessLookupError):
            if child.status is None:
                child.kill()
        for fd in child.pipes():
            os.close(fd)


@pytest.fixture
def used():
    """Return how many pages of an arena are used, and how many tickets, also those of messages."""

    def count(arena):
        gc.collect()
        return arena.stats().used, sum(row.tickets for row in arena.buffers())

    return count


@pytest.fixture
def topic(arena):
    """Return a topic of the arena."""
    return arena.topic("frames")
