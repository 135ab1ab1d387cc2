"""Random calls on an arena against the naive model; and that the machine finds what it shall find."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pagebuddy import Arena as ChosenArena
from pagebuddy import OutOfPages, OutOfTickets
from pagebuddy.arena.objects import ArenaObjects
from verification.arena_machine.machine import arena_machine_for


@pytest.mark.timeout(3600)
def test_an_arena_does_as_the_model(Arena, engine):
    examples = settings().max_examples // (1 if engine == "compiled" else 2)
    run_state_machine_as_test(arena_machine_for(Arena), settings=settings(max_examples=examples))


class KeepsItsDead(ChosenArena):
    """Says that it reaped, and did not."""

    def reap(self, **asked):
        return self.stats().dead


class ForgetsToZero(ChosenArena):
    """Takes zeros for a wish."""

    def zeros(self, *asked):
        return self.empty(*asked)


class FindsAllOfIt(ChosenArena):
    """Finds a kept buffer with all the bytes of its pages, not those that it was kept with."""

    def __getitem__(self, key):
        found = super().__getitem__(key)
        found.resize(found.capacity)
        return found


class LeavesHandles(ChosenArena):
    """Mints handles that nobody has."""

    def dumps(self, thing):
        super().dumps(thing)
        return super().dumps(thing)


# It ends with the first example that fails. Which one that is depends on what was imported before.
UNTIL_FOUND = settings(
    max_examples=2000,
    stateful_step_count=40,
    phases=[Phase.generate],
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
)


@pytest.mark.parametrize(
    "broken",
    [
        KeepsItsDead,
        pytest.param(ForgetsToZero, marks=pytest.mark.soak),
        pytest.param(FindsAllOfIt, marks=pytest.mark.soak),
        LeavesHandles,
    ],
)
def test_a_broken_arena_is_found_out(broken):
    # Handles that nobody has use up the tickets, or the pages.
    with pytest.raises((AssertionError, OutOfTickets, OutOfPages)):
        run_state_machine_as_test(arena_machine_for(broken), settings=UNTIL_FOUND)


def read_to_be_written(objects, key, writable, read=ArenaObjects._read):
    """Let everybody write to the objects."""
    return read(objects, key, True)


def delete_nothing(objects, key):
    """Say that an object was deleted."""


def pop_the_first(objects, key, default=None):
    """Pop another object than was asked for."""
    return objects.popitem()[1] if len(objects) else default


def keep_among_the_buffers(objects, key, thing, replace):
    """Keep an object where `arena[key]` finds it."""
    arena = objects._arena
    arena.buffer_of(arena.copy(thing[1])).keep(key, replace=replace)


@pytest.mark.parametrize(
    ("method", "broken"),
    [
        ("_read", read_to_be_written),
        ("__delitem__", delete_nothing),
        ("pop", pop_the_first),
        ("_keep", keep_among_the_buffers),
    ],
    ids=["read", "delete", "pop", "keep"],
)
def test_broken_objects_are_found_out(monkeypatch, method, broken):
    monkeypatch.setattr(ArenaObjects, method, broken)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(arena_machine_for(ChosenArena), settings=UNTIL_FOUND)
