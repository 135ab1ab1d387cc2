"""Breadth-first search of all states. The first violation found has a shortest trace."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verification.sharing_model.checks import Checks
from verification.sharing_model.moves import Move, after, described, moves
from verification.sharing_model.state import State, Violation, first_state
from verification.uncollected import uncollected

if TYPE_CHECKING:
    from verification.sharing_model.configuration import Configuration

MAX_STATES = 8_000_000


@dataclass(frozen=True)
class Result:
    """The result of a search."""

    states: int
    transitions: int
    complete: bool
    """Whether every state was visited."""
    violation: str | None = None
    trace: tuple[str, ...] = ()
    """The moves from the first state to the violation."""


@uncollected()
def search(configuration: Configuration, max_states: int = MAX_STATES) -> Result:
    """Search until a violation, the last state, or more than `max_states` states.

    Visits about 30,000 states per second and uses about 600 bytes per state.

    >>> from verification.sharing_model.configuration import Configuration
    >>> result = search(Configuration(procs=1, born=1, slots=1, deaths=1))
    >>> result.complete, result.violation
    (True, None)
    """
    first = first_state(configuration)
    checks = Checks(
        configuration.flaw, in_vain=not configuration.fork and configuration.threads == 1
    )
    came_from: dict[State, tuple[State, Move] | None] = {first: None}
    waiting = deque([first])
    transitions = 0
    while waiting:
        state = waiting.popleft()
        for move in moves(state, configuration):
            transitions += 1
            try:
                following = after(state, move, configuration.flaw, configuration.lingering)
                if following in came_from:
                    continue
                checks.all(following)
            except Violation as violation:
                trace = trace_to(state, came_from, described(state, move))
                return Result(len(came_from), transitions, False, str(violation), trace)
            came_from[following] = (state, move)
            waiting.append(following)
        if len(came_from) > max_states:
            return Result(len(came_from), transitions, False)
    return Result(len(came_from), transitions, True)


def trace_to(
    state: State, came_from: dict[State, tuple[State, Move] | None], last: str
) -> tuple[str, ...]:
    """Return the moves that led to a state, followed by `last`."""
    trace = [last]
    while (step := came_from[state]) is not None:
        state, move = step
        trace.append(described(state, move))
    return tuple(reversed(trace))
