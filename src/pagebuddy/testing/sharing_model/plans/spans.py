"""Buffers: allocated and dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuddy.testing.sharing_model.flaws import Flaw
from pagebuddy.testing.sharing_model.plans.steps import BUSY, DONE, REFUSED, UNLOCK, freeing
from pagebuddy.testing.sharing_model.words import ARENA, Buffer, Record, Step

if TYPE_CHECKING:
    from pagebuddy.testing.sharing_model.state import Operation, State


def alloc(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Take the first free page: the hold, then the record, which is the commit."""
    words, mine = state.words, state.processes[i].slot
    if 1 not in words.listed:
        return REFUSED
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


def drop(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """End my hold, unless views are left or the slot is shared; free the pages if nobody is left."""
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
