"""What recovery makes of the words that a dead owner of the lock left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuddy.testing.sharing_model.flaws import Flaw
from pagebuddy.testing.sharing_model.plans.steps import DONE, freeing
from pagebuddy.testing.sharing_model.words import Step, Words

if TYPE_CHECKING:
    from pagebuddy.testing.sharing_model.state import State


def recovery(words: Words, flaw: Flaw | None) -> list[Step]:
    """Return the stores that rebuild lists and counts from records, holds and tickets.

    Tickets of buffers that are gone are dropped; live buffers without holder and ticket are freed.
    """
    taken = set(words.taken())
    steps = [Step("listed", page, int(page not in taken)) for page in range(len(words.listed))]
    valid = []
    for entry, ticket in enumerate(words.tickets):
        if ticket and words.live(ticket.buffer):
            valid.append(ticket.buffer.page)
        elif ticket:
            steps.append(Step("tickets", entry, None))
    for page, record in enumerate(words.records):
        count = valid.count(page)
        steps.append(Step("ticket_counts", page, count))
        orphan = record and not words.holds[page] and not count
        if orphan and flaw is not Flaw.NO_ORPHAN_SWEEP:
            steps += freeing(words, page)
    return steps


def takeover(state: State, flaw: Flaw | None) -> list[Step]:
    """Return what comes first for who gets the lock from an owner that died."""
    steps = recovery(state.words, flaw) if state.busy else []
    if flaw is Flaw.BUSY_CLEARED_BEFORE_RECOVER:
        return [DONE, *steps]
    return [*steps, DONE] if steps else []
