"""Plans of a trim: take a free page as a buffer, return its memory, and end its hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.sharing_model.flaws import Flaw
from verification.sharing_model.plans.spans import drop
from verification.sharing_model.plans.steps import (
    BUSY,
    DONE,
    REFUSED,
    UNLOCK,
    emptying,
    followed_by,
)
from verification.sharing_model.state import Marks, Operation
from verification.sharing_model.words import Buffer, Record, Step

if TYPE_CHECKING:
    from verification.sharing_model.state import State


def trim(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Take the first free page as a buffer, counted in the slot's marks; then go on without the lock.

    A process that shares its slot takes none: the hold would stay after the trim.
    """
    words, mine = state.words, state.processes[i].slot
    if state.sticky[mine] and flaw is not Flaw.TRIM_IN_SHARED_SLOT:
        return REFUSED
    if operation.first is None and any(words.magazines):
        again = Step("plan_again", value=Operation("trim", "the magazines were emptied"))
        return [BUSY, *emptying(words, flaw), again]
    if 1 not in words.listed:
        return REFUSED if operation.first is None else [DONE, UNLOCK]
    page, marks = words.listed.index(1), state.marks[mine]
    piece = Buffer(page, state.next_incarnation)
    counted = [Step("marks", mine, marks._replace(pieces=marks.pieces + 1))]
    if flaw is Flaw.PIECE_NOT_COUNTED:
        counted = []
    go_on = Step("pause", value=Operation("return_memory", piece))
    if flaw is Flaw.TRIM_WITHOUT_HOLD:
        return [BUSY, *counted, Step("next_incarnation"), Step("trimmed"), DONE, go_on]
    return [
        BUSY,
        Step("take", page),
        Step("next_incarnation"),
        Step("trimmed"),
        *counted,
        Step("holds", page, 1 << mine),
        Step("records", page, Record(piece.incarnation)),
        DONE,
        Step("view", value=piece),
        go_on,
    ]


def drop_piece(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """End the hold of a piece, as of any buffer."""
    if flaw is Flaw.TRIM_WITHOUT_HOLD:
        return [Step("pause", value=Operation("end_trim", operation.first))]
    return followed_by(Operation("end_trim", operation.first), drop(state, i, operation, flaw))


def end_trim(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Count the piece no more, and clear the mark that an allocation failed: one store."""
    mine = state.processes[i].slot
    marks = Marks(max(0, state.marks[mine].pieces - 1), 0)
    return [BUSY, Step("marks", mine, marks), Step("put_back", value=operation.first), DONE, UNLOCK]
