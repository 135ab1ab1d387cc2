"""Plans of buffers: allocate, join by page, and drop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.sharing_model.flaws import Flaw
from verification.sharing_model.plans.steps import (
    BUSY,
    DONE,
    REFUSED,
    UNLOCK,
    emptying,
    freeing,
)
from verification.sharing_model.state import LIVE, Operation
from verification.sharing_model.words import ARENA, Buffer, Record, Step

if TYPE_CHECKING:
    from verification.sharing_model.state import State


def alloc(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Allocate the first free page: the hold, then the record, which is the commit."""
    words, mine = state.words, state.processes[i].slot
    if 1 not in words.listed and operation.first is None and any(words.magazines):
        again = Step("plan_again", value=Operation("alloc", "the magazines were emptied"))
        return [BUSY, *emptying(words, flaw), again]
    if 1 not in words.listed:
        wanted = wanting(state)
        if wanted:
            return [BUSY, *wanted, DONE, UNLOCK]
        return REFUSED if operation.first is None else [DONE, UNLOCK]
    page = words.listed.index(1)
    record = Record(state.next_incarnation)
    left = words.holds[page] if flaw is Flaw.ALLOC_ADDS_HOLD else 0
    commit = [Step("holds", page, left | 1 << mine), Step("records", page, record)]
    if flaw is Flaw.COMMIT_BEFORE_HOLD:
        commit.reverse()
    return [
        BUSY,
        Step("take", page),
        Step("next_incarnation"),
        *commit,
        DONE,
        Step("view", value=Buffer(page, state.next_incarnation)),
        UNLOCK,
    ]


def wanting(state: State) -> list[Step]:
    """Return the stores of an allocation that failed: a mark in each slot whose trims have pieces."""
    told = [
        Step("marks", slot, marks._replace(wanted=1))
        for slot, marks in enumerate(state.marks)
        if state.slots[slot] == LIVE and marks.pieces
    ]
    return [*told, Step("told")] if state.marks else []


def join(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Hold the buffer that begins at a page. A buffer in a magazine counts as free."""
    words, page, mine = state.words, operation.first, state.processes[i].slot
    if operation.second is None and any(words.magazines):
        again = Step("plan_again", value=Operation("join", page, "the magazines were emptied"))
        return [BUSY, *emptying(words, flaw), again]
    record = words.records[page]
    if record is None:
        return REFUSED if operation.second is None else [DONE, UNLOCK]
    return [
        BUSY,
        Step("holds", page, words.holds[page] | 1 << mine),
        DONE,
        Step("view", value=Buffer(page, *record)),
        UNLOCK,
    ]


def drop(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """End this process's hold unless it has other views or a shared slot. Free the buffer if unused."""
    words, me = state.words, state.processes[i]
    buffer = operation.first
    if state.sticky[me.slot] or me.views_of(buffer):
        return REFUSED
    left = words.holds[buffer.page] & ~(1 << me.slot)
    steps = [BUSY, Step("holds", buffer.page, left)]
    if flaw is Flaw.DROP_IGNORES_KEPT:
        left &= ~ARENA
    if not left and (not words.ticket_counts[buffer.page] or flaw is Flaw.DROP_IGNORES_TICKETS):
        steps += freeing(words, buffer.page)
    return [*steps, DONE, UNLOCK]
