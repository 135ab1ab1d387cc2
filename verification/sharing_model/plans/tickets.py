"""Plans of tickets: send, claim, withdraw and expire; ends of groups, and of tied tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verification.sharing_model.flaws import Flaw
from verification.sharing_model.plans.slots import reap
from verification.sharing_model.plans.steps import (
    BUSY,
    DONE,
    REFUSED,
    UNLOCK,
    followed_by,
    freeing,
    unloading,
)
from verification.sharing_model.state import LIVE, Operation
from verification.sharing_model.words import ENDLESS, LIMITED, TIED, Sender, Step, Ticket, Words

if TYPE_CHECKING:
    from verification.sharing_model.state import State


def send(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Write a ticket. The handle is sent after that."""
    words, buffer = state.words, operation.first
    if None not in words.tickets or not state.processes[i].has(buffer, flaw):
        return REFUSED
    entry = words.tickets.index(None)
    sender = None
    is_tied = operation.second == "tied"
    left = 1 if is_tied or operation.second is None else operation.second
    if state.generations:
        slot = state.processes[i].slot
        group = 0 if is_tied else operation.second or 0
        sender = Sender(slot, state.generations[slot], group, i)
        left = 1
    life = TIED if is_tied else ENDLESS
    ticket = Ticket(state.next_serial, buffer, left, sender, life)
    return [
        BUSY,
        Step("next_serial"),
        Step("tickets", entry, ticket),
        Step("ticket_counts", buffer.page, words.ticket_counts[buffer.page] + 1),
        DONE,
        Step("handle", entry, ticket),
        UNLOCK,
    ]


def fits(words: Words, entry: int, ticket: Ticket, by_page: bool) -> bool:
    """Return whether a ticket is still valid. With a flaw, only its page is compared."""
    standing = words.tickets[entry]
    if by_page:
        return standing is not None and standing.buffer.page == ticket.buffer.page
    return standing is not None and standing.same(ticket)


def counting(words: Words, entry: int, flaw: Flaw | None) -> list[Step]:
    """Return the store by which a claim counts, if that does not end the ticket; else an empty list.

    If the ticket can be claimed any number of times, there is nothing to store: the step repeats a word.
    """
    standing = words.tickets[entry]
    if standing is None or standing.left == 1 or flaw is Flaw.CLAIM_ENDS_TICKET:
        return []
    left = (
        standing.left - 1 if standing.left and flaw is not Flaw.CLAIM_NOT_COUNTED else standing.left
    )
    return [Step("tickets", entry, standing._replace(left=left))]


def claim(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Turn a ticket into a hold: store the hold, then count the claim; the last one ends the ticket.

    The store to the ticket is the commit.
    """
    words, mine = state.words, state.processes[i].slot
    entry, ticket = operation.first, operation.second
    if not fits(words, entry, ticket, flaw is Flaw.NO_SERIAL):
        return [Step("refused", ticket.left, ticket.serial), *REFUSED]
    page = ticket.buffer.page
    hold = Step("holds", page, words.holds[page] | 1 << mine)
    claimed = Step("claimed", ticket.left, ticket.serial)
    if counted := counting(words, entry, flaw):
        loaded = unloading(words, mine, page, flaw)
        return [
            BUSY,
            *loaded,
            hold,
            *counted,
            DONE,
            claimed,
            Step("view", value=ticket.buffer),
            UNLOCK,
        ]
    commit = [hold, Step("tickets", entry, None)]
    if flaw is Flaw.CLAIM_TICKET_FIRST:
        commit.reverse()
    return [
        BUSY,
        *unloading(words, mine, page, flaw),
        *commit,
        Step("ticket_counts", page, words.ticket_counts[page] - 1),
        DONE,
        claimed,
        Step("view", value=ticket.buffer),
        UNLOCK,
    ]


def ending(words: Words, entry: int, ticket: Ticket, flaw: Flaw | None) -> list[Step]:
    """Return the stores that end an unclaimed ticket, and free the buffer if it has no holder."""
    page = ticket.buffer.page
    left = words.ticket_counts[page] - 1
    standing = words.tickets[entry]
    steps = [
        Step("withdrawn", entry, ticket),
        Step("tickets", entry, None),
        Step("ended", standing.left if standing else 0, ticket.serial),
        Step("ticket_counts", page, left),
    ]
    held = words.holds[page] and flaw is not Flaw.WITHDRAW_IGNORES_HOLDERS
    if not left and not held and flaw is not Flaw.WITHDRAW_LEAVES_BUFFER:
        steps += freeing(words, page)
    return steps


def withdraw(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """End one unclaimed ticket: its sender takes it back, or it is too old."""
    entry, ticket = operation.first, operation.second
    if not fits(state.words, entry, ticket, flaw is Flaw.WITHDRAW_NO_SERIAL):
        return REFUSED
    return [BUSY, *ending(state.words, entry, ticket, flaw), DONE, UNLOCK]


def expire(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """End all tickets, as a reap with an age limit of 0 does."""
    words, steps = state.words, [BUSY]
    for entry, ticket in enumerate(words.tickets):
        if ticket:
            ended = ending(words, entry, ticket, flaw)
            words = words.after_all(ended)
            steps += ended
    return [*steps, DONE, UNLOCK]


def end_group(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """End the tickets of the group that processes left behind: reap first, then look at its tickets."""
    rest = Operation("end_tickets", operation.first)
    if flaw is Flaw.GROUP_NOT_REAPED:
        return end_tickets(state, i, rest, flaw)
    return followed_by(rest, reap(state, i, operation, flaw))


def is_left_behind(state: State, sender: Sender | None, flaw: Flaw | None) -> bool:
    """Return whether a ticket is in the group, and its sender's slot is not its sender's any more."""
    if sender is None or (not sender.group and flaw is not Flaw.GROUP_IGNORED):
        return False
    return has_left(state, sender, flaw)


def has_left(state: State, sender: Sender, flaw: Flaw | None) -> bool:
    """Return whether a sender's slot is not its sender's any more."""
    if state.slots[sender.slot] != LIVE or flaw in (
        Flaw.GROUP_IGNORES_SLOT,
        Flaw.TIED_IGNORES_SLOT,
    ):
        return True
    known = state.generations[sender.slot] == sender.generation
    ignores = flaw in (Flaw.GROUP_IGNORES_GENERATION, Flaw.TIED_IGNORES_GENERATION)
    return not known and not ignores


def expire_tied(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Let tied tickets expire: reap first, then look at them.

    `first` says whether the minute of those that were untied before is over. `second` has the serials of
    those whose senders have ended.
    """
    rest = Operation("untie", operation.first, operation.second)
    if flaw is Flaw.TIED_NOT_REAPED:
        return untie(state, i, rest, flaw)
    return followed_by(rest, reap(state, i, operation, flaw))


def untie(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """Limit the life of tied tickets whose senders have left, and end those whose life is over."""
    words, steps = state.words, [BUSY]
    for entry, ticket in enumerate(words.tickets):
        if ticket is None or ticket.sender is None:
            continue
        done: list[Step] = []
        if ticket.life == TIED and has_left(state, ticket.sender, flaw):
            untied = Step("tickets", entry, ticket._replace(life=LIMITED))
            done = [Step("untied", entry, ticket), untied]
        elif ticket.life == LIMITED and operation.first:
            done = ending(words, entry, ticket, flaw)
        words = words.after_all(done)
        steps += done
    return [*steps, DONE, Step("all_untied", value=operation.second), UNLOCK]


def end_tickets(state: State, i: int, operation: Operation, flaw: Flaw | None) -> list[Step]:
    """End the tickets of the group whose senders' slots are free or have another generation."""
    words, steps = state.words, [BUSY]
    for entry, ticket in enumerate(words.tickets):
        if ticket and is_left_behind(state, ticket.sender, flaw):
            ended = [Step("left_behind", entry, ticket), *ending(words, entry, ticket, flaw)]
            words = words.after_all(ended)
            steps += ended
    return [*steps, DONE, Step("group_ended", value=operation.first), UNLOCK]
