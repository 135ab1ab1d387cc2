"""Fixtures for tests of messages: processes that take part, and what an arena holds."""

from __future__ import annotations

import gc
from importlib import import_module

import pytest

from pagebuddy import engine as chosen
from pagebuddy.messages import loop as loops
from tests.messages.loops import ours
from tests.sharing.conftest import start as begin  # noqa: F401 - a fixture


@pytest.fixture
def arena(Arena):
    """Return a small arena."""
    return Arena("4 MiB")


@pytest.fixture
def queue(arena):
    """Return a queue of the arena without a name; it is closed afterwards."""
    with arena.queue() as made:
        yield made


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


@pytest.fixture
def machinery(engine, monkeypatch):
    """Let event loops wait with the engine under test, for what is noticed at once.

    Their threads never look by themselves, so that a test in which a wake is lost does not end.
    """
    module = chosen.ENGINE
    if engine == "uncompiled":
        module = import_module("pagebuddy.buffers.uncompiled")
    monkeypatch.setattr(loops, "ENGINE", module)
    monkeypatch.setattr(loops, "_SLICE", 60)
    yield
    assert ours() == []


@pytest.fixture
def looking(machinery, monkeypatch):
    """Let these threads look for what the dead left as often as they do for users."""
    monkeypatch.setattr(loops, "_SLICE", 0.1)
