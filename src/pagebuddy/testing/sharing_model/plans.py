"""Each operation as a tuple of single stores; its process may be killed before any of them.

The shared words change only under the lock, so an operation is planned when it gets the lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuddy.testing.sharing_model.flaws import Flaw
from pagebuddy.testing.sharing_model.state import FREE, LIVE, Operation, State, Step, Ticket, Words

if TYPE_CHECKING:
    from collections.abc import Callable

BUSY = Step("busy", value=1)
DONE = Step("busy", value=0)
UNLOCK = Step("unlock")
REFUSED = [UNLOCK]


def freeing(page: int) -> list[Step]:
    """Return the stores that free a page: the record first, which is the commit."""
    return [Step("records", page, 0), Step("listed", page, 1)]


def recovery(words: Words, flaw: Flaw | None) -> list[Step]:
    """Return the stores that rebuild lists and counts from records, holds and tickets.

    Tickets of buffers that are gone are dropped; live buffers without holder and ticket are freed.
    """
    steps = [Step("listed", page, 0 if record else 1) for page, record in enumerate(words.records)]
    valid = []
    for entry, ticket in enumerate(words.tickets):
        if ticket and words.records[ticket.page] == ticket.incarnation:
            valid.append(ticket.page)
        elif ticket:
            steps.append(Step("tickets", entry, None))
    for page, record in enumerate(words.records):
        count = valid.count(page)
        steps.append(Step("ticket_counts", page, count))
        orphan = record and not words.holds[page] and not count
        if orphan and flaw is not Flaw.NO_ORPHAN_SWEEP:
            steps += freeing(page)
    return steps


def takeover(state: State, flaw: Flaw | None) -> list[Step]:
    """Return what comes first for who gets the lock from an owner that died."""
    steps = recovery(state.words, flaw) if state.busy else []
    if flaw is Flaw.BUSY_CLEARED_BEFORE_RECOVER:
        return [DONE, *steps]
    return [*steps, DONE] if steps else []


def alloc(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Take the first free page: the hold, then the record, which is the commit."""
    words, mine = state.words, state.processes[i].slot
    if 1 not in words.listed:
        return REFUSED
    page = words.listed.index(1)
    commit = [Step("holds", page, 1 << mine), Step("records", page, state.next_incarnation)]
    if flaw is Flaw.COMMIT_BEFORE_HOLD:
        commit.reverse()
    return [
        BUSY,
        Step("take", page),
        Step("next_incarnation"),
        *commit,
        DONE,
        Step("view", page, state.next_incarnation),
        UNLOCK,
    ]


def drop(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """End my hold, unless views are left or the slot is shared; free the page if nobody is left."""
    words, me = state.words, state.processes[i]
    page, incarnation = operation.first, operation.second
    if state.sticky[me.slot] or any(view[:2] == (page, incarnation) for view in me.views):
        return REFUSED
    left = words.holds[page] & ~(1 << me.slot)
    steps = [BUSY, Step("holds", page, left)]
    if not left and (not words.ticket_counts[page] or flaw is Flaw.DROP_IGNORES_TICKETS):
        steps += freeing(page)
    return [*steps, DONE, UNLOCK]


def send(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Write a ticket; the handle leaves when it stands."""
    words, page = state.words, operation.first
    if None not in words.tickets:
        return REFUSED
    entry = words.tickets.index(None)
    ticket = Ticket(state.next_serial, page, operation.second)
    return [
        BUSY,
        Step("next_serial"),
        Step("tickets", entry, ticket),
        Step("ticket_counts", page, words.ticket_counts[page] + 1),
        DONE,
        Step("handle", entry, ticket),
        UNLOCK,
    ]


def claim(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Turn a ticket into a hold: the hold first, then the ticket's end, which is the commit."""
    words, mine = state.words, state.processes[i].slot
    entry, ticket = operation.first, operation.second
    standing = words.tickets[entry]
    fits = standing == ticket
    if flaw is Flaw.NO_SERIAL:
        fits = standing is not None and standing.page == ticket.page
    if not fits:
        return REFUSED
    page = ticket.page
    commit = [Step("holds", page, words.holds[page] | 1 << mine), Step("tickets", entry, None)]
    if flaw is Flaw.CLAIM_TICKET_FIRST:
        commit.reverse()
    return [
        BUSY,
        *commit,
        Step("ticket_counts", page, words.ticket_counts[page] - 1),
        DONE,
        Step("claimed", value=ticket.serial),
        Step("view", page, ticket.incarnation),
        UNLOCK,
    ]


def attach(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Get a slot: its lease first, then its state, which is the commit."""
    if FREE not in state.slots:
        return REFUSED
    slot = state.slots.index(FREE)
    steps = [BUSY, Step("leases", slot, 1 << i), Step("slots", slot, LIVE)]
    if flaw is Flaw.CHILD_REGISTERS_ITSELF:
        holds = state.words.holds
        steps += [
            Step("holds", view.page, holds[view.page] | 1 << slot)
            for view in state.processes[i].views
        ]
    return [*steps, Step("mine", slot), DONE, UNLOCK]


def fork(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Give the child lease, slot and holds, then fork under the lock; or share a sticky slot."""
    child, mine = operation.first, state.processes[i].slot
    if flaw is Flaw.CHILD_REGISTERS_ITSELF:
        return [Step("fork", -1, child), UNLOCK]
    if FREE not in state.slots:
        if flaw is Flaw.SHARE_SLOT_NOT_STICKY:
            return [Step("fork", mine, child), UNLOCK]
        return [BUSY, Step("sticky", mine, 1), DONE, Step("fork", mine, child), UNLOCK]
    slot = state.slots.index(FREE)
    live = [Step("slots", slot, LIVE)]
    bits = [
        Step("holds", page, hold | 1 << slot)
        for page, hold in enumerate(state.words.holds)
        if hold >> mine & 1
    ]
    gained = bits + live if flaw is Flaw.BITS_BEFORE_SLOT else live + bits
    steps = [BUSY, Step("leases", slot, 1 << i), *gained, DONE]
    split, let_go = Step("fork", slot, child), Step("end_lease", slot, i)
    if flaw is Flaw.FORK_UNLOCKED:
        return [*steps, Step("unlock_early"), split, let_go, Step("end")]
    if flaw is Flaw.UNLEASE_BEFORE_FORK:
        return [*steps, let_go, split, UNLOCK]
    return [*steps, split, let_go, UNLOCK]


def reap(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """End every hold of every dead slot, then free the slot: each step may be repeated."""
    words, dead = state.words, state.dead_slots()
    if not dead:
        return REFUSED
    holds, records = list(words.holds), list(words.records)
    steps = [BUSY]
    for slot in dead:
        free = Step("slots", slot, FREE)
        if flaw is Flaw.FREE_SLOT_FIRST:
            steps.append(free)
        for page in range(len(holds)):
            if holds[page] >> slot & 1:
                holds[page] &= ~(1 << slot)
                steps.append(Step("holds", page, holds[page]))
                if records[page] and not holds[page] and not words.ticket_counts[page]:
                    steps += freeing(page)
                    records[page] = 0
        if state.sticky[slot]:
            steps.append(Step("sticky", slot, 0))
        if flaw is not Flaw.FREE_SLOT_FIRST:
            steps.append(free)
    return [*steps, DONE, UNLOCK]


def reap_page(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Reap one slot with the lock let go after each page: only the flaws do this."""
    words, slot, page = state.words, operation.first, operation.second
    gone = state.slots[slot] != LIVE or state.leases[slot]
    if flaw is Flaw.CHUNKED_RECHECK and gone:
        return REFUSED
    if page == len(words.records):
        return [BUSY, Step("slots", slot, FREE), DONE, UNLOCK]
    steps = [BUSY]
    left = words.holds[page] & ~(1 << slot)
    if left != words.holds[page]:
        steps.append(Step("holds", page, left))
    if words.records[page] and not left and not words.ticket_counts[page]:
        steps += freeing(page)
    return [*steps, DONE, Step("pause", slot, page + 1)]


PLANS: dict[str, Callable[[State, int, Operation, Flaw | None], list[Step]]] = {
    plan.__name__: plan for plan in (alloc, drop, send, claim, attach, fork, reap, reap_page)
}


def plan_of(state: State, i: int, flaw: Flaw | None) -> tuple[Step, ...]:
    """Return the steps of process `i`'s operation, begun in this state, under the lock."""
    operation = state.processes[i].operation
    assert operation is not None
    return tuple(PLANS[operation.name](state, i, operation, flaw))
