"""Tickets: buffers on their way between processes, each named by a serial that is never used again.

A ticket is a hold without a holder. It needs no sender, and is redeemed once: whoever claims it holds
the buffer before the ticket ends.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.spans import length
    from pagebuddy.core.state import fail
    from pagebuddy.core.words import NO_PAGE, low, store, u64
    from pagebuddy.sharing.holding.holds import (
        bytes_within,
        fits,
        free_if_unused,
        holds,
        is_the_buffer,
    )
    from pagebuddy.sharing.holding.magazine import is_used, join_hold
    from pagebuddy.sharing.recovery.takeover import tickets_end
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.state import ArenaState, holds_at, slot_at, ticket_at
    from pagebuddy.sharing.words import (
        A_SERIAL,
        A_TICKETS_END,
        DONE,
        F_TICKET,
        MISSING_TICKETS,
        MOST_TICKETS_EACH,
        NO_TICKETS,
        NOT_LIVE,
        SLOT_STATE,
        STALE,
        TICKET_BYTES,
        TICKET_GENERATION,
        TICKET_NODE,
        TICKET_SENDER,
        TICKET_SENT,
        TICKET_SERIAL,
        UNBACKED,
        tickets_in,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def count_ticket(a: ArenaState, node: u64, more: u64) -> cython.void:
    """Count one ticket more, or one less, of a buffer."""
    one: u64 = 1
    at: u64 = holds_at(a, node)
    if more:
        store(a.holds, at, a.holds[at] + (one << 48))
    elif tickets_in(a.holds[at]):
        store(a.holds, at, a.holds[at] - (one << 48))


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def free_ticket(a: ArenaState) -> u64:
    """A free entry, searched from where the last one was found; `n_tickets` where there is none.

    NO_PAGE where the next one that never was used may not be there.
    """
    end: u64 = tickets_end(a)
    tried: u64 = 0
    index: u64 = a.next_ticket
    while tried < end:
        if index >= end:
            index = 0
        if a.tickets[ticket_at(index) + TICKET_SERIAL] == 0:
            break
        index += 1
        tried += 1
    if tried == end:
        index = end
        if a.sparse and end < a.n_tickets and end >= a.known_tickets:
            return NO_PAGE
        if end < a.n_tickets:
            store(a.base, A_TICKETS_END, end + 1)
    a.next_ticket = index + 1
    return index


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_send(a: ArenaState, r: Request) -> u64:
    """Make a ticket for a buffer that this process holds; `index` and `serial` are the handle's."""
    if not is_used(a, r.node) or not holds(a, r.node, a.slot):
        return NOT_LIVE
    if tickets_in(a.holds[holds_at(a, r.node)]) == MOST_TICKETS_EACH:
        return NO_TICKETS
    r.index = free_ticket(a)
    if r.index == NO_PAGE:
        r.missing = MISSING_TICKETS
        return UNBACKED
    if r.index >= a.n_tickets:
        return NO_TICKETS
    at: u64 = ticket_at(r.index)
    r.serial = a.base[A_SERIAL] + 1
    store(a.base, A_SERIAL, r.serial)
    store(a.tickets, at + TICKET_NODE, r.node)
    store(a.tickets, at + TICKET_GENERATION, low(a.links[r.node]))
    store(a.tickets, at + TICKET_BYTES, bytes_within(a, r.node, r.n_bytes))
    store(a.tickets, at + TICKET_SENT, r.time)
    sender: u64 = low(a.slots[slot_at(a.slot) + SLOT_STATE]) << 32 | a.slot
    store(a.tickets, at + TICKET_SENDER, sender)
    store(a.tickets, at + TICKET_SERIAL, r.serial)
    count_ticket(a, r.node, 1)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_ticket(a: ArenaState, index: u64, serial: u64) -> cython.bint:
    """Whether an entry is in use for the serial that a handle tells."""
    return (
        serial != 0
        and index < tickets_end(a)
        and a.tickets[ticket_at(index) + TICKET_SERIAL] == serial
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_ticket(a: ArenaState, index: u64) -> cython.void:
    """End a ticket; its buffer is freed if nobody needs it any more."""
    at: u64 = ticket_at(index)
    node: u64 = a.tickets[at + TICKET_NODE]
    live: cython.bint = is_the_buffer(a, node, a.tickets[at + TICKET_GENERATION])
    store(a.tickets, at + TICKET_SERIAL, 0)
    if live:
        count_ticket(a, node, 0)
        free_if_unused(a, node)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_claim(a: ArenaState, r: Request) -> u64:
    """Redeem a ticket: this process holds the buffer from now on, by one object more."""
    if not is_ticket(a, r.index, r.serial):
        return STALE
    at: u64 = ticket_at(r.index)
    r.node = a.tickets[at + TICKET_NODE]
    r.n_bytes = a.tickets[at + TICKET_BYTES]
    generation: u64 = a.tickets[at + TICKET_GENERATION]
    if not is_the_buffer(a, r.node, generation) or not fits(a, r.node, r.n_bytes):
        fail(a, F_TICKET, r.node)
        return NOT_LIVE
    r.n = length(a, r.node)
    join_hold(a, r.node, r.n_bytes)
    end_ticket(a, r.index)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_withdraw(a: ArenaState, r: Request) -> u64:
    """End a ticket that nobody claimed."""
    if not is_ticket(a, r.index, r.serial):
        return STALE
    end_ticket(a, r.index)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_reap_tickets(a: ArenaState, r: Request) -> u64:
    """End all tickets that are at least `longest` ms old at `time`; how many there were.

    Those from before a restart of the machine, whose time lies ahead, are as old as the restart.
    """
    r.n = 0
    index: u64 = 0
    end: u64 = tickets_end(a)
    while index < end:
        at: u64 = ticket_at(index)
        if a.tickets[at + TICKET_SERIAL]:
            sent: u64 = a.tickets[at + TICKET_SENT]
            age: u64 = r.time - sent if sent < r.time else 0
            if age >= r.longest:
                end_ticket(a, index)
                r.n += 1
        index += 1
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def restamp_tickets(a: ArenaState, time: u64) -> cython.void:
    """Let no ticket be from the future: after a restart of the machine its clock began anew."""
    index: u64 = 0
    end: u64 = tickets_end(a)
    while index < end:
        if a.tickets[ticket_at(index) + TICKET_SENT] > time:
            store(a.tickets, ticket_at(index) + TICKET_SENT, time)
        index += 1
