"""What the threads of the pool's process do that send calls, and receive results. Used by `search`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.pool_model.flaws import Flaw
from verification.pool_model.state import ANSWERED, READY, Cell, State, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from verification.pool_model.configuration import Configuration


def steps(state: State, configuration: Configuration) -> Iterator[tuple[str, State]]:
    """Yield everything that these threads may do, and what follows."""
    if state.sending:
        yield taken_off(state)
    else:
        yield from send(state, configuration)
    if state.receiving:
        yield from end_received(state)
    elif state.results:
        yield receive(state, configuration)
    if state.landed:
        (call, outcome), *others = state.landed
        yield f"ends call {call}", state.ended(call, outcome).but(landed=tuple(others))


def send(state: State, configuration: Configuration) -> Iterator[tuple[str, State]]:
    """Put a message with calls, if there is room."""
    if sum(cell.owner == READY for cell in state.cells) >= configuration.workers:
        return
    returned = (*state.returned, *state.given)
    source = "returned" if returned else "waiting"
    calls = (returned or state.waiting)[: configuration.batch]
    if not calls:
        return
    first = len(state.calls) + 1
    yield (
        f"puts calls {calls} as {first} and on",
        state.but(
            cells=(*state.cells, Cell(first, len(calls))),
            calls=state.calls + calls,
            sent=state.sent | set(range(first, first + len(calls))),
            returned=returned,
            given=(),
            sending=calls,
            source=source,
        ),
    )


def taken_off(state: State) -> tuple[str, State]:
    """Remove a call that was put from where it waited."""
    call, *others = state.sending
    queue = getattr(state, state.source)
    if queue[:1] == (call,):
        queue = queue[1:]
    values = {state.source: queue, "sending": tuple(others)}
    return f"takes call {call} off", state.but(**values, **({} if others else {"source": ""}))


def receive(state: State, configuration: Configuration) -> tuple[str, State]:
    """Take a result, and mark its call: both with the dispatcher's lock."""
    number, *others = state.results
    after = state.but(results=tuple(others), receiving=number)
    if configuration.flaw is not Flaw.MARKED_LATE:
        after = marked(after, number)
    return f"takes the result of {number}", after


def marked(state: State, number: int) -> State:
    """Return the state after the call of a result was marked."""
    if number not in state.sent:
        raise Violation("a result comes that nobody waits for")
    return state.but(arrived=state.arrived | {state.call(number)}, is_marked=True)


def end_received(state: State) -> Iterator[tuple[str, State]]:
    """End the call whose result was taken."""
    number = state.receiving
    if not state.is_marked:
        yield f"marks {number}", marked(state, number)
        return
    call = state.call(number)
    yield f"ends call {call}", state.ended(call, ANSWERED).but(receiving=0, is_marked=False)


def given_back(state: State, numbers: Iterable[int], flaw: Flaw | None) -> State:
    """Return the state after calls were given back, which no worker has started."""
    given, returned, sent = list(state.given), list(state.returned), set(state.sent)
    for number in numbers:
        call = state.call(number)
        if number in sent and call not in state.arrived:
            sent.discard(number)
            if flaw is not Flaw.RETURNED_AT_ONCE:
                given.append(call)
            elif call not in returned:
                returned.append(call)
    return state.but(given=tuple(given), returned=tuple(returned), sent=frozenset(sent))
