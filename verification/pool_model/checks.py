"""What must hold in every state, and when nothing more happens. Used by `search`.

What holds of a call that starts or ends is checked where it does, in `worker` and `state`.
"""

from __future__ import annotations

from verification.pool_model.state import OPEN, State, Violation


def check(state: State) -> None:
    """Raise `Violation` for the first invariant that does not hold."""
    there = {*state.waiting, *state.returned, *state.given}
    there.update(state.call(number) for number in state.sent)
    for call, outcome in enumerate(state.outcomes):
        if outcome == OPEN and call not in there:
            raise Violation("a call is nowhere")


def check_end(state: State) -> None:
    """Raise `Violation` if something is left when nothing more can happen but deaths."""
    if OPEN in state.outcomes:
        raise Violation("a call never ends")
    if state.cells:
        raise Violation("a message stays in hand")
    if state.sent or state.waiting or state.returned or state.given:
        raise Violation("a call has ended and is not forgotten")
