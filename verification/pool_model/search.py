"""Breadth-first search of all states. The first violation found has a shortest trace."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from verification.pool_model import looker, parent, worker
from verification.pool_model.checks import check, check_end
from verification.pool_model.state import OPEN, WAITS, Looker, Row, State, Violation, Worker
from verification.sharing_model.search import MAX_STATES, Result
from verification.uncollected import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verification.pool_model.configuration import Configuration


@uncollected()
def search(configuration: Configuration, max_states: int = MAX_STATES) -> Result:
    """Search until a violation, the last state, or more than `max_states` states.

    >>> from verification.pool_model.configuration import Configuration
    >>> result = search(Configuration(workers=1, calls=1))
    >>> result.complete, result.violation
    (True, None)
    """
    first = first_state(configuration)
    came_from: dict[State, tuple[State, str] | None] = {first: None}
    waiting = deque([first])
    transitions = 0
    while waiting:
        state = waiting.popleft()
        name = "the end"
        goes_on = False
        try:
            for name, following in moves(state, configuration):
                transitions += 1
                goes_on = goes_on or following.deaths == state.deaths
                if following not in came_from:
                    came_from[following] = (state, name)
                    check(following)
                    waiting.append(following)
            if not goes_on:
                name = "the end"
                check_end(state)
        except Violation as violation:
            trace = trace_to(state, came_from, f"after: {name}")
            return Result(len(came_from), transitions, False, str(violation), trace)
        if len(came_from) > max_states:
            return Result(len(came_from), transitions, False)
    return Result(len(came_from), transitions, True)


def moves(state: State, configuration: Configuration) -> Iterator[tuple[str, State]]:
    """Yield everything that can happen next, and what follows."""
    for w in range(len(state.workers)):
        for name, following in worker.steps(state, w, configuration):
            yield f"W{w} {name}", following
    for name, following in parent.steps(state, configuration):
        yield f"the pool {name}", following
    for name, following in looker.steps(state, configuration):
        yield f"the looker {name}", following


def first_state(configuration: Configuration) -> State:
    """Return the state in which all calls wait, and all workers are ready."""
    n, workers = configuration.calls, configuration.workers
    return State(
        cells=(),
        results=(),
        rows=(Row(),) * workers,
        workers=tuple(Worker(owner=w) for w in range(workers)),
        calls=(),
        sent=frozenset(),
        waiting=tuple(range(n)),
        returned=(),
        given=(),
        sending=(),
        source="",
        receiving=0,
        is_marked=False,
        looker=Looker(),
        landed=(),
        arrived=frozenset(),
        outcomes=(OPEN,) * n,
        lives=(configuration.retries,) * n,
        ran=(WAITS,) * n,
    )


def trace_to(
    state: State, came_from: dict[State, tuple[State, str] | None], last: str
) -> tuple[str, ...]:
    """Return the moves that led to a state, followed by `last`."""
    trace = [last]
    while (step := came_from[state]) is not None:
        state, name = step
        trace.append(name)
    return tuple(reversed(trace))
