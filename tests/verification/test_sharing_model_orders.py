"""Orders of two stores that the search cannot distinguish: a kill in either order has the same result.

A process that gets the lock after a kill recovers before it reads, and no other process stores while
the lock is held. So it is enough to compare the words after recovery and reaping: after each store of
the wrong order they must equal the words after some store of the right order.
"""

from __future__ import annotations

import pytest

from verification.sharing_model import Configuration, Flaw
from verification.sharing_model.moves import Move, after, moves
from verification.sharing_model.plans.recovery import recovery
from verification.sharing_model.state import UNLOCKED, State, first_state
from verification.sharing_model.words import Words

ALONE = {"procs": 1, "born": 1, "slots": 1, "ticks": 1, "sends": 1, "allocs": 2, "deaths": 0}
LENDERS = {**ALONE, "procs": 2, "born": 2, "slots": 2, "sends": 2, "allocs": 1}
KEEPERS = {**ALONE, "pages": 2, "ticks": 0, "sends": 0, "entries": 2}

ORDERS = {
    Flaw.COMMIT_BEFORE_HOLD: ("alloc", {**ALONE, "pages": 2}),
    Flaw.CLAIM_TICKET_FIRST: ("claim", LENDERS),
    Flaw.REPLACED_HOLD_FIRST: ("keep", KEEPERS),
    # The search finds this one, so this test must find it too.
    Flaw.UNKEEP_HOLD_FIRST: ("unkeep", KEEPERS),
}


def about_to(operation: str, configuration: Configuration) -> set[tuple[State, int]]:
    """Return every reachable state in which a process may get the lock for an operation."""
    first = first_state(configuration)
    seen, waiting = {first}, [first]
    found = set()
    while waiting:
        state = waiting.pop()
        for move in moves(state, configuration):
            wanted = state.processes[move.process].operation
            if move.verb == "locks" and wanted and wanted.name == operation:
                found.add((state, move.process))
            following = after(state, move, None)
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return found


def recovered(words: Words) -> Words:
    return words.after_all(recovery(words, None))


def settled(state: State, i: int) -> Words:
    """Return the words after process `i` dies now, the words are recovered, and its slot is reaped.

    The positions of free entries and the holds of free pages do not matter.
    """
    mine = state.processes[i].slot
    words = recovered(state.words)
    words = words._replace(holds=tuple(hold & ~(1 << mine) for hold in words.holds))
    words = recovered(words)
    live = zip(words.holds, words.records, strict=True)
    entries = tuple(entry for entry in words.directory if entry.number)
    return words._replace(
        holds=tuple(hold if record else 0 for hold, record in live), directory=entries
    )


def ends(state: State, i: int, flaw: Flaw | None) -> tuple[set[Words], State]:
    """Return the words after a kill at any store of an operation, and the state without a kill."""
    state = after(state, Move("locks", i), flaw)
    left = {settled(state, i)}
    while state.lock != UNLOCKED:
        state = after(state, Move("steps", i), flaw)
        left.add(settled(state, i))
    return left, state


def told_apart(flaw: Flaw) -> bool:
    """Return whether the flaw has a result, with or without a kill, that the right order cannot have."""
    operation, bounds = ORDERS[flaw]
    places = about_to(operation, Configuration(**bounds))
    assert places
    for state, i in places:
        by_rule, alive = ends(state, i, None)
        by_flaw, alive_too = ends(state, i, flaw)
        if alive != alive_too or not by_flaw <= by_rule:
            return True
    return False


@pytest.mark.parametrize("flaw", ORDERS, ids=lambda flaw: flaw.value)
def test_a_death_under_either_order_ends_the_same(flaw):
    assert told_apart(flaw) == (flaw is Flaw.UNKEEP_HOLD_FIRST)
