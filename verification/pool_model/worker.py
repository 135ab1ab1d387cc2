"""What a worker may do next: each step is one store, or one change of a ring. Used by `search`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.pool_model.flaws import Flaw
from verification.pool_model.state import (
    HAS_RUN,
    READY,
    RUNS,
    WAITS,
    Row,
    State,
    Violation,
    Worker,
    put,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verification.pool_model.configuration import Configuration

BEGIN = ("zero", "first", "counts", "finish")
"""The steps between the take of a message and the start of its first call."""
OTHER_BEGIN = {
    Flaw.FINISH_BEFORE_ROW: ("finish", "zero", "first", "counts"),
    Flaw.FIRST_OF_OTHERS: ("zero", "counts", "first", "finish"),
    Flaw.FIRST_AFTER_COUNTS: ("zero", "counts", "first", "finish"),
    Flaw.COUNTS_NOT_ZEROED: ("first", "counts", "finish"),
}


def steps(state: State, w: int, configuration: Configuration) -> Iterator[tuple[str, State]]:
    """Yield everything that worker `w` may do, or that may happen to it, and what follows."""
    me = state.workers[w]
    if me.at == "dead":
        return
    if state.deaths < configuration.deaths:
        yield (
            "is killed",
            state.with_worker(w, Worker("dead", me.owner)).but(deaths=state.deaths + 1),
        )
    flaw = configuration.flaw
    begin = OTHER_BEGIN.get(flaw, BEGIN) if flaw else BEGIN
    if me.at == "take":
        yield from take(state, w, begin[0])
    elif me.at in BEGIN:
        at = begin.index(me.at) + 1
        following = begin[at] if at < len(begin) else "start"
        after = state.with_worker(w, me._replace(at=following))
        row = state.rows[w]
        if me.at == "zero":
            yield "stores counts of 0", after.with_row(w, Row(row.first))
        elif me.at == "first":
            yield "stores the first number", after.with_row(w, row._replace(first=me.first))
        elif me.at == "counts":
            low = 0 if flaw is Flaw.COUNTS_WITHOUT_NUMBER else me.first
            yield "stores the counts", after.with_row(w, Row(row.first, low, 0, me.n))
        else:
            yield "finishes the message", finished(after, me, me.first)
            if configuration.late:
                yield "cannot finish the message now", after
    elif me.at == "start":
        yield start(state, w, flaw)
    elif me.at == "store":
        low, started, n = me.seen
        after = state.with_row(w, state.rows[w]._replace(low=low, started=started + 1, n=n))
        yield begun(after, w, me, flaw)
    else:
        number, *running = me.running
        after = state.with_worker(w, me._replace(at="start", running=tuple(running)))
        yield (
            f"puts the result of {number}",
            after.but(
                results=(*state.results, number),
                ran=put(state.ran, state.call(number), HAS_RUN),
            ),
        )


def take(state: State, w: int, following: str) -> Iterator[tuple[str, State]]:
    """Take the first message that is ready; or finish those that could not be finished before."""
    me = state.workers[w]
    for cell in state.cells:
        if cell.owner == me.owner:
            yield "finishes an earlier message", finished(state, me, cell.first)
            break
    for i, cell in enumerate(state.cells):
        if cell.owner == READY:
            cells = put(state.cells, i, cell._replace(owner=me.owner))
            after = me._replace(at=following, first=cell.first, n=cell.n, i=0)
            yield (
                f"takes {cell.n} calls from {cell.first} on",
                state.with_worker(w, after).but(cells=cells),
            )
            break


def finished(state: State, me: Worker, first: int) -> State:
    """Return the state after a worker finished a message."""
    cells = (cell for cell in state.cells if (cell.first, cell.owner) != (first, me.owner))
    return state.but(cells=tuple(cells))


def start(state: State, w: int, flaw: Flaw | None) -> tuple[str, State]:
    """Start the next call, if there is one."""
    me, row = state.workers[w], state.rows[w]
    if me.i >= me.n or row.started >= row.n:
        if me.running:
            return "starts no other call", state.with_worker(w, me._replace(at="put", i=me.n))
        return "is ready", state.with_worker(w, Worker(owner=me.owner))
    if flaw is Flaw.START_NOT_ATOMIC:
        after = state.with_worker(w, me._replace(at="store", seen=row.counts))
        return "reads the counts", after
    return begun(state.with_row(w, row._replace(started=row.started + 1)), w, me, flaw)


def begun(state: State, w: int, me: Worker, flaw: Flaw | None) -> tuple[str, State]:
    """Return the state after a call was started, and what was done."""
    number = me.first + me.i
    call = state.call(number)
    if number not in state.sent:
        raise Violation("a call is run that was taken back")
    if state.ran[call] != WAITS:
        raise Violation("a call is started twice")
    running = (*me.running, number)
    is_hasty = flaw is Flaw.RESULT_AFTER_NEXT_START and len(running) == 1
    after = me._replace(
        at="start" if is_hasty else "put", i=me.i + 1, running=running, seen=(0, 0, 0)
    )
    ran = put(state.ran, call, RUNS)
    return f"starts {number}", state.with_worker(w, after).but(ran=ran)
