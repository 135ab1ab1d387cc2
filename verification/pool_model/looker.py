"""What the thread does that looks after the workers: it takes calls back, and buries the dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.pool_model.flaws import Flaw
from verification.pool_model.parent import given_back, marked
from verification.pool_model.state import (
    ANSWERED,
    DIED,
    NOBODY,
    RUNS,
    WAITS,
    Looker,
    Row,
    State,
    Violation,
    Worker,
    put,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verification.pool_model.configuration import Configuration

BURY = ("results", "in hand", "row", "messages", "fail", "replace")
"""The steps of the burial of a worker."""
ROW_FIRST = ("row", "results", "in hand", "messages", "fail", "replace")
UNCHECKED = (Flaw.FIRST_UNCHECKED, Flaw.FIRST_OF_OTHERS, Flaw.COUNTS_WITHOUT_NUMBER)


def steps(state: State, configuration: Configuration) -> Iterator[tuple[str, State]]:
    """Yield everything that this thread may do, and what follows."""
    me = state.looker
    flaw = configuration.flaw
    if me.at == "looks":
        yield from look(state, configuration)
    elif me.at == "first":
        row = me.row._replace(first=state.rows[me.worker].first)
        yield "reads the first number", state.but(looker=me._replace(at="swap", row=row))
    elif me.at == "swap":
        yield swapped(state, flaw)
    elif me.at == "give back":
        first, _, started, n = me.row
        after = given_back(state, range(first + started, first + n), flaw)
        yield f"gives back from {first + started} on", after.but(looker=Looker())
    else:
        yield bury(state, flaw)


def look(state: State, configuration: Configuration) -> Iterator[tuple[str, State]]:
    """Find a worker that has died, or one with calls that it has not started."""
    flaw = configuration.flaw
    order = ROW_FIRST if flaw is Flaw.ROW_BEFORE_RESULTS else BURY
    for w, worker in enumerate(state.workers):
        row = state.rows[w]
        if worker.at == "dead":
            # With a broken rule, the row may be what was read before.
            yield f"finds that W{w} has died", state.but(looker=Looker(order[0], w, row))
        if state.takes < configuration.takes and row.started < row.n:
            after = Looker("first", w, row._replace(first=0))
            yield f"reads the counts of W{w}", state.but(looker=after, takes=state.takes + 1)
        if flaw is Flaw.ROW_IN_LIFE and worker.at not in ("dead", "take") and row.n:
            # It dies before the results are received.
            yield (
                f"reads the row of W{w}, which lives",
                state.but(looker=Looker("death", w, row), takes=state.takes),
            )


def swapped(state: State, flaw: Flaw | None) -> tuple[str, State]:
    """Take calls back, if the row is still as it was."""
    me = state.looker
    row = state.rows[me.worker]
    low, started, n = me.row.counts
    is_whole = low == me.row.first or flaw in UNCHECKED
    is_same = row.counts == me.row.counts or flaw is Flaw.TAKE_BACK_NOT_ATOMIC
    if not (is_whole and is_same):
        return "takes nothing back", state.but(looker=Looker())
    after = state.but(looker=me._replace(at="give back"))
    changed = Row(row.first, low, started, started)
    return f"takes back {n - started} calls", after.with_row(me.worker, changed)


def bury(state: State, flaw: Flaw | None) -> tuple[str, State]:
    """Do the next step of a burial."""
    me = state.looker
    order = ROW_FIRST if flaw is Flaw.ROW_BEFORE_RESULTS else BURY
    if me.at == "death":
        if state.workers[me.worker].at != "dead":
            return "looks away", state.but(looker=Looker())
        return "finds that it has died", state.but(looker=me._replace(at=order[0]))
    following = order[order.index(me.at) + 1] if me.at != "replace" else "looks"
    after = state.but(looker=me._replace(at=following))
    if me.at == "results":
        if not state.results:
            return "receives all results", after
        number, *others = state.results
        landed = (*state.landed, (state.call(number), ANSWERED))
        received = marked(state, number).but(
            results=tuple(others), landed=landed, is_marked=state.is_marked
        )
        return f"receives the result of {number}", received
    if me.at == "in hand":
        return "ends what the dead have in hand", in_hand(after, flaw)
    if me.at == "row":
        return row_read(after, flaw)
    if me.at == "messages":
        if not me.messages:
            return "has no more messages", after
        return message_read(state, flaw)
    if me.at == "fail":
        if me.dead == NOBODY:
            return "fails no call", after
        if state.lives[me.dead]:
            return f"sends call {me.dead} again", retried(after, me.dead, flaw)
        return f"fails call {me.dead}", after.but(
            arrived=state.arrived | {me.dead}, landed=(*state.landed, (me.dead, DIED))
        )
    owner = state.workers[me.worker].owner + len(state.workers)
    if flaw is not Flaw.ROW_NOT_ZEROED:
        after = after.with_row(me.worker, Row(state.rows[me.worker].first))
    return "replaces the worker", after.with_worker(me.worker, Worker(owner=owner)).but(
        looker=Looker()
    )


def retried(state: State, call: int, flaw: Flaw | None) -> State:
    """Return the state after a call was given back whose worker has died."""
    if state.ran[call] != RUNS:
        raise Violation("a call is sent again that was not running")
    (number,) = (number for number in state.sent if state.call(number) == call)
    return given_back(state, [number], flaw).but(
        lives=put(state.lives, call, state.lives[call] - 1), ran=put(state.ran, call, WAITS)
    )


def in_hand(state: State, flaw: Flaw | None) -> State:
    """Return the state after the messages of all dead workers were ended."""
    dead = {worker.owner for worker in state.workers if worker.at == "dead"}
    found = tuple(cell for cell in state.cells if cell.owner in dead)
    if flaw is Flaw.DEAD_NOT_ENDED:
        return state
    read = () if flaw is Flaw.IN_HAND_NOT_READ else found
    return state.but(
        cells=tuple(cell for cell in state.cells if cell.owner not in dead),
        looker=state.looker._replace(messages=read),
    )


def row_read(state: State, flaw: Flaw | None) -> tuple[str, State]:
    """Find the call that a dead worker was running, and give back those behind it."""
    me = state.looker
    row = me.row if flaw is Flaw.ROW_IN_LIFE else state.rows[me.worker]
    after = state
    if flaw is not Flaw.REST_NOT_SENT:
        after = given_back(state, range(row.first + row.started, row.first + row.n), flaw)
    dead = NOBODY
    last = row.first + row.started - 1
    if row.started and last in state.sent:
        dead = state.call(last)
        if dead in state.arrived and flaw is not Flaw.ARRIVED_IGNORED:
            dead = NOBODY
    return f"reads the row of W{me.worker}", after.but(looker=me._replace(dead=dead))


def message_read(state: State, flaw: Flaw | None) -> tuple[str, State]:
    """Give back the calls of a message that a dead worker had in hand, unless a row has it."""
    me = state.looker
    (first, n, _), *others = me.messages
    rows = (state.rows[me.worker],) if flaw is Flaw.ONE_ROW else state.rows
    is_known = any(row.n and row.first == first for row in rows)
    if not is_known or flaw is Flaw.ROWS_IGNORED:
        state = given_back(state, range(first, first + n), flaw)
    return f"reads the message with {first}", state.but(looker=me._replace(messages=tuple(others)))
