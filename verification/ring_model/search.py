"""Breadth-first search of all states. The first violation found has a shortest trace."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from verification.ring_model.actions import Actions
from verification.ring_model.checks import Checks
from verification.ring_model.moves import first_state, moves
from verification.ring_model.state import State, Violation
from verification.sharing_model.search import MAX_STATES, Result
from verification.uncollected import uncollected

if TYPE_CHECKING:
    from verification.ring_model.configuration import Configuration


@uncollected()
def search(configuration: Configuration, max_states: int = MAX_STATES) -> Result:
    """Search until a violation, the last state, or more than `max_states` states.

    >>> from verification.ring_model.configuration import Configuration
    >>> result = search(Configuration(puts=("p",), gets=(1,)))
    >>> result.complete, result.violation
    (True, None)
    """
    first = first_state(configuration)
    actions = Actions(configuration)
    checks = Checks(actions)
    came_from: dict[State, tuple[State, int, str] | None] = {first: None}
    waiting = deque([first])
    transitions = 0
    while waiting:
        state = waiting.popleft()
        for i, process in enumerate(state.processes):
            name = process.at
            try:
                for name, following in moves(state, actions, i):
                    transitions += 1
                    if following in came_from:
                        continue
                    came_from[following] = (state, i, name)
                    checks.all(following)
                    waiting.append(following)
            except Violation as violation:
                trace = trace_to(state, came_from, f"P{i} {name}")
                return Result(len(came_from), transitions, False, str(violation), trace)
        if len(came_from) > max_states:
            return Result(len(came_from), transitions, False)
    return Result(len(came_from), transitions, True)


def trace_to(
    state: State, came_from: dict[State, tuple[State, int, str] | None], last: str
) -> tuple[str, ...]:
    """Return the moves that led to a state, followed by `last`."""
    trace = [last]
    while (step := came_from[state]) is not None:
        state, i, name = step
        trace.append(f"P{i} {name}")
    return tuple(reversed(trace))
