"""Magazines: how a process uses its own without the lock, and how the lock owner empties any of them.

A process frees into its magazine and allocates from it by compare-and-swap of one word. Meanwhile no
other thread of the process is in an operation, except that a thread may fork. Used by `moves` and
`effects`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.sharing_model.flaws import Flaw
from verification.sharing_model.plans.steps import losing
from verification.sharing_model.state import (
    ALIVE,
    Operation,
    State,
    Thread,
    Violation,
    views_changed,
)
from verification.sharing_model.words import Buffer, Round, Step

if TYPE_CHECKING:
    from collections.abc import Callable

DRAWING = (Step("see"),)

UNLOCKED = {"look", "load", "see", "draw", "see_again", "handed_out"}
"""The steps that are taken without the lock."""


def goes_on_unlocked(thread: Thread) -> bool:
    """Return whether a thread is about to load or draw."""
    return bool(thread.plan) and thread.plan[0].what in UNLOCKED


def loading(buffer: Buffer, flaw: Flaw | None) -> tuple[Step, ...]:
    """Return the steps that put a buffer into the magazine of its process, if that is allowed."""
    return (Step("look", value=(buffer, flaw)), Step("load", value=buffer))


def is_mine_alone(state: State, i: int, buffer: Buffer, flaw: Flaw | None = None) -> bool:
    """Return whether process `i` holds a buffer that has no other user."""
    words, me = state.words, state.processes[i]
    mine = 1 << me.slot
    holds = words.holds[buffer.page]
    in_use = {
        Flaw.LOAD_SHARED: holds & ~mine,
        Flaw.LOAD_IGNORES_TICKETS: words.ticket_counts[buffer.page],
        Flaw.LOAD_STICKY: state.sticky[me.slot],
    }
    return (
        words.live(buffer) is not None
        and holds & mine != 0
        and not me.views_of(buffer)
        and not any(used for ignored, used in in_use.items() if flaw is not ignored)
    )


def changed(state: State, i: int, operation: Operation | None, *plan: Step) -> State:
    """Return the state in which process `i` continues with `plan`. Without one it needs the lock."""
    return state.with_process(i, state.processes[i]._replace(operation=operation, plan=plan))


def stored(state: State, slot: int, round_: Round | None) -> State:
    return state._replace(words=state.words.after(Step("magazines", slot, round_)))


def look(state: State, i: int, step: Step) -> State:
    """Check that the buffer has no other user. Otherwise it is dropped under the lock."""
    buffer, flaw = step.value
    if is_mine_alone(state, i, buffer, flaw):
        return state
    return changed(state, i, state.processes[i].operation)


def load(state: State, i: int, step: Step) -> State:
    """Compare and swap the empty word for the buffer."""
    me = state.processes[i]
    if state.words.magazines[me.slot] is not None:
        return changed(state, i, me.operation)
    return changed(stored(state, me.slot, Round(step.value)), i, None)


def see(state: State, i: int, step: Step) -> State:
    """Check that there is a round and that it still has no other user."""
    round_ = state.words.magazines[state.processes[i].slot]
    operation = state.processes[i].operation
    if round_ is None or round_.taken or not is_mine_alone(state, i, round_.buffer):
        return changed(state, i, None)
    return changed(state, i, operation, Step("draw", value=round_))


def draw(state: State, i: int, step: Step) -> State:
    """Compare and swap the round for the empty word."""
    me, round_ = state.processes[i], step.value
    if state.words.magazines[me.slot] != round_:
        return changed(state, i, None)
    state = stored(state, me.slot, None)
    return changed(state, i, me.operation, Step("see_again", value=round_.buffer))


def see_again(state: State, i: int, step: Step) -> State:
    """Use the round as the new buffer, or drop it if another process joined before it was out."""
    buffer = step.value
    if not is_mine_alone(state, i, buffer):
        return changed(state, i, Operation("drop", buffer))
    return handed_out(state, i, step)


def handed_out(state: State, i: int, step: Step) -> State:
    """Check that the round, now a new buffer, has no other view, ticket or directory entry."""
    buffer = step.value
    words = state.words
    for page in range(buffer.page, buffer.page + buffer.n_pages):
        for process in state.processes:
            if process.life == ALIVE and any(view.buffer.has(page) for view in process.views):
                raise Violation("page handed out while a living process has a view")
        if any(ticket and ticket.buffer.has(page) for ticket in words.tickets):
            raise Violation("page handed out while ticketed")
        if any(entry.number and entry.buffer.has(page) for entry in words.directory):
            raise Violation("page handed out while kept")
    me = state.processes[i]
    views = views_changed(me.views, buffer, 1)
    return changed(state.with_process(i, me._replace(views=views)), i, None)


def draw_at_once(state: State, i: int, step: Step) -> State:
    """`draw` without the second check; used only by a flaw."""
    state = draw(state, i, step)
    me = state.processes[i]
    if not me.plan:
        return state
    return changed(state, i, me.operation, me.plan[0]._replace(what="handed_out"))


def take_round(state: State, i: int, step: Step) -> State:
    """Compare and swap a round for the same, marked as taken; then end its hold and clear the mark.

    Done under the lock, for the magazine of any process.
    """
    slot, flaw = step.at, step.value
    round_ = state.words.magazines[slot]
    if round_ is None:
        return state
    lost = losing(state.words, round_.buffer.page, 1 << slot)
    gone = Step("magazines", slot, None)
    steps = [*lost, gone]
    if flaw is Flaw.TAKE_UNSWAPPED:
        steps = [Step("magazines", slot, round_._replace(taken=True)), *steps]
    elif flaw is Flaw.TAKE_UNMARKED:
        state, steps = stored(state, slot, None), lost
    else:
        state = stored(state, slot, round_._replace(taken=True))
    me = state.processes[i]
    return state.with_process(i, me._replace(plan=(*steps, *me.plan)))


EFFECTS: dict[str, Callable[[State, int, Step], State]] = {
    effect.__name__: effect
    for effect in (look, load, see, draw, see_again, handed_out, draw_at_once, take_round)
}
