"""Everything that can happen next in a state, and the first state. Used by `search`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.ring_model.actions import Actions, lost
from verification.ring_model.state import NEVER, Code, Process, State, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verification.ring_model.configuration import Configuration


def moves(state: State, actions: Actions, i: int) -> Iterator[tuple[str, State]]:
    """Yield everything that process `i` may do, or that may happen to it, and what follows."""
    configuration = actions.configuration
    process = state.processes[i]
    if process.at == "dead":
        yield from successors(state, i, configuration)
        return
    may_die = state.deaths < configuration.deaths
    if may_die:
        yield "is killed", lost(state, i)
    for action in actions.of(state, i):
        if may_die:
            yield from kills(action.name, action.states, i, locked=action.locked)
        yield action.name, action.states[-1]


def kills(name: str, states: list[State], i: int, *, locked: bool) -> Iterator[tuple[str, State]]:
    """Yield what a kill before each store leaves."""
    if locked:
        for n, state in enumerate(states[:-1]):
            yield f"{name}, and is killed after {n} stores", lost(state, i)._replace(busy=1)
    else:
        for n, state in enumerate(states[1:-2]):
            yield f"{name}, and is killed after {n + 1} stores", lost(state, i)


def successors(state: State, i: int, configuration: Configuration) -> Iterator[tuple[str, State]]:
    """Yield what becomes of the slot of a dead process: it is reaped, and taken again."""
    generation = state.slots[i]
    if not configuration.newcomers:
        return
    if generation == 1:
        holds = tuple(hold & ~(1 << i) for hold in state.holds)
        yield "is reaped", state._replace(slots=put(state.slots, i, -1), holds=holds)
    elif generation == -1:
        yield "has a successor in its slot", state._replace(slots=put(state.slots, i, 2))


def first_state(configuration: Configuration) -> State:
    """Return the state in which the ring is empty and every process is attached."""
    cells, n = configuration.cells, configuration.n_messages
    n_processes = len(configuration.puts) + len(configuration.gets)
    n_rows = len(configuration.gets) if configuration.topic else 0
    return State(
        codes=(Code(NEVER),) * cells,
        numbers=(0,) * cells,
        messages=(-1,) * cells,
        bytes=(-1,) * cells,
        references=((),) * cells,
        head=0,
        head_again=0,
        tail=0,
        tail_again=0,
        ready=0,
        pending=0,
        next=0,
        closed=0,
        busy=0,
        flags=(0, 0),
        producing=(0,) * len(configuration.puts),
        rows=(None,) * n_rows,
        kept=1,
        tickets=(None,) * configuration.ticks,
        serial=0,
        holds=(0,) * n,
        slots=(1,) * n_processes,
        processes=(Process("idle"),) * n_processes,
        outcomes=(0,) * n,
        gone=(0,) * (2 * n_rows),
        deaths=0,
        faults=0,
    )
