"""Random calls on an arena against the naive model; and that the machine finds what it shall find."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pagebuddy import Arena as ChosenArena
from pagebuddy import OutOfTickets
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


@pytest.mark.parametrize("broken", [KeepsItsDead, ForgetsToZero, FindsAllOfIt, LeavesHandles])
def test_a_broken_arena_is_found_out(broken):
    # It ends with the first example that fails. Which one that is depends on what was imported before.
    until_found = settings(
        max_examples=2000,
        stateful_step_count=40,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
    )
    # Handles that nobody has use up the tickets.
    with pytest.raises((AssertionError, OutOfTickets)):
        run_state_machine_as_test(arena_machine_for(broken), settings=until_found)
