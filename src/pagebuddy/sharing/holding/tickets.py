"""Tickets: each protects a buffer on its way between processes, under a serial never used again.

A ticket is a hold without a holder, and outlives its sender. It can be claimed once, or as often as its
sender said: the claiming process holds the buffer before the claim counts.
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
        is_page,
        is_the_buffer,
    )
    from pagebuddy.sharing.holding.magazine import join_hold, take_out_of_magazines
    from pagebuddy.sharing.holding.notes import add_note, count_if_freed
    from pagebuddy.sharing.recovery.takeover import next_ticket, tickets_end
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.state import ArenaState, add_count, holds_at, slot_at, ticket_at
    from pagebuddy.sharing.system.clock import clock_ms
    from pagebuddy.sharing.words import (
        A_EXPIRED,
        A_SERIAL,
        A_TICKETS_END,
        ANY_CLAIMS,
        DONE,
        F_TICKET,
        FIRST_WORD_SLOTS,
        LIFE_AFTER_SENDER_MS,
        MISSING_TICKETS,
        MOST_TICKETS_EACH,
        NO_TICKETS,
        NOT_LIVE,
        NOTE_EXPIRED,
        OF_RING,
        SLOT_STATE,
        STALE,
        TICKET_BYTES,
        TICKET_CLAIMS,
        TICKET_GENERATION,
        TICKET_LIFE,
        TICKET_NODE,
        TICKET_SENDER,
        TICKET_SENT,
        TICKET_SERIAL,
        TIED,
        UNBACKED,
        is_live_slot,
        is_of_ring,
        tickets_in,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def count_ticket(a: ArenaState, node: u64, more: u64) -> cython.void:
    """Add one to a buffer's count of tickets, or subtract one."""
    one: u64 = 1
    at: u64 = holds_at(a, node)
    if more:
        store(a.holds, at, a.holds[at] + (one << FIRST_WORD_SLOTS))
    elif tickets_in(a.holds[at]):
        store(a.holds, at, a.holds[at] - (one << FIRST_WORD_SLOTS))


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def find_free_ticket(a: ArenaState) -> u64:
    """A free entry, searched from the last one found on; `n_tickets` if there is none.

    Raises `A_TICKETS_END` for an entry that was never used; NO_PAGE if that may have no memory yet.
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
    """Make a ticket for a buffer that this process holds; sets `ticket_index` and `serial`.

    With a `ring_node`, it belongs to that ring, and the reference at `refs_at` in the ring names it
    first.
    """
    if not take_out_of_magazines(a, r.node) or not holds(a, r.node, a.slot):
        return NOT_LIVE
    if tickets_in(a.holds[holds_at(a, r.node)]) == MOST_TICKETS_EACH:
        return NO_TICKETS
    r.ticket_index = find_free_ticket(a)
    if r.ticket_index == NO_PAGE:
        r.missing = MISSING_TICKETS
        return UNBACKED
    if r.ticket_index >= a.n_tickets:
        return NO_TICKETS
    at: u64 = ticket_at(r.ticket_index)
    r.serial = a.base[A_SERIAL] + 1
    store(a.base, A_SERIAL, r.serial)
    store(a.tickets, at + TICKET_NODE, r.node)
    store(a.tickets, at + TICKET_GENERATION, low(a.records[r.node]))
    store(a.tickets, at + TICKET_BYTES, bytes_within(a, r.node, r.n_bytes))
    if r.ring_node:
        store(r.ring, r.refs_at, r.ticket_index)
        store(r.ring, r.refs_at + 1, r.serial)
        store(a.tickets, at + TICKET_SENT, low(a.records[r.ring_node]))
        r.life_ms = OF_RING | r.ring_node
    else:
        store(a.tickets, at + TICKET_SENT, r.now_ms)
    sender: u64 = low(a.slots[slot_at(a.slot) + SLOT_STATE]) << 32 | r.group << 16 | a.slot
    store(a.tickets, at + TICKET_SENDER, sender)
    store(a.tickets, at + TICKET_CLAIMS, r.n_claims)
    store(a.tickets, at + TICKET_LIFE, r.life_ms)
    store(a.tickets, at + TICKET_SERIAL, r.serial)
    count_ticket(a, r.node, 1)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_ticket(a: ArenaState, index: u64, serial: u64) -> cython.bint:
    """Whether an entry is in use for the serial that a handle names."""
    return (
        serial != 0
        and index < tickets_end(a)
        and a.tickets[ticket_at(index) + TICKET_SERIAL] == serial
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def end_ticket(a: ArenaState, index: u64) -> cython.void:
    """End a ticket, and free its buffer if nothing else protects it."""
    at: u64 = ticket_at(index)
    node: u64 = a.tickets[at + TICKET_NODE]
    live: cython.bint = is_the_buffer(a, node, a.tickets[at + TICKET_GENERATION])
    store(a.tickets, at + TICKET_SERIAL, 0)
    if live:
        count_ticket(a, node, 0)
        free_if_unused(a, node)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def age_of(a: ArenaState, index: u64, time: u64) -> u64:
    """How long ago a ticket was sent, in ms. The clock restarts with the machine."""
    sent: u64 = a.tickets[ticket_at(index) + TICKET_SENT]
    return time - sent if sent < time else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_expired(a: ArenaState, index: u64) -> cython.bint:
    """Whether a ticket has lived as long as it may. Most have no limit, and need no clock."""
    life: u64 = a.tickets[ticket_at(index) + TICKET_LIFE]
    return life != 0 and life < OF_RING and age_of(a, index, clock_ms()) >= life


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def count_claim(a: ArenaState, index: u64) -> cython.void:
    """Count one claim of a ticket; the last one ends it."""
    at: u64 = ticket_at(index)
    left: u64 = a.tickets[at + TICKET_CLAIMS]
    if left == 1:
        end_ticket(a, index)
    elif left != ANY_CLAIMS:
        store(a.tickets, at + TICKET_CLAIMS, left - 1)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_hold(a: ArenaState, r: Request) -> u64:
    """Add an object for a ticket's buffer; sets `node`, `n_bytes` and `n_pages`. The ticket stays."""
    if not is_ticket(a, r.ticket_index, r.serial) or is_expired(a, r.ticket_index):
        return STALE
    at: u64 = ticket_at(r.ticket_index)
    r.node = a.tickets[at + TICKET_NODE]
    r.n_bytes = a.tickets[at + TICKET_BYTES]
    generation: u64 = a.tickets[at + TICKET_GENERATION]
    if not is_the_buffer(a, r.node, generation) or not fits(a, r.node, r.n_bytes):
        fail(a, F_TICKET, r.node)
        return NOT_LIVE
    r.n_pages = length(a, r.node)
    join_hold(a, r.node, r.n_bytes)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_claim(a: ArenaState, r: Request) -> u64:
    """Claim a ticket: `do_hold`, and count the claim."""
    answer: u64 = do_hold(a, r)
    if answer == DONE:
        count_claim(a, r.ticket_index)
    return answer


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_withdraw(a: ArenaState, r: Request) -> u64:
    """End an unclaimed ticket; with `is_one_claim`, give up only one of its claims."""
    if not is_ticket(a, r.ticket_index, r.serial):
        return STALE
    if r.is_one_claim:
        count_claim(a, r.ticket_index)
    else:
        end_ticket(a, r.ticket_index)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def has_left(a: ArenaState, sender: u64) -> cython.bint:
    """Whether a sender's word names a slot that its process has no more."""
    slot: u64 = sender & 0xFFFF
    if slot >= a.n_slots:
        return False
    state: u64 = a.slots[slot_at(slot) + SLOT_STATE]
    return not is_live_slot(state) or low(state) != sender >> 32


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_reap_tickets(a: ArenaState, r: Request) -> u64:
    """End all tickets that are at least `least_age_ms` old; sets `n_ended`.

    With a `group` it ends those of this group instead whose senders were reaped or detached.

    The clock restarts with the machine. A ticket whose time is in the future has age 0.
    """
    r.n_ended = 0
    index: u64 = next_ticket(a, 0)
    while index < tickets_end(a):
        ends: cython.bint = age_of(a, index, r.now_ms) >= r.least_age_ms
        if r.group:
            sender: u64 = a.tickets[ticket_at(index) + TICKET_SENDER]
            ends = sender >> 16 & 0xFFFF == r.group and has_left(a, sender)
        if ends and not is_of_ring(a.tickets[ticket_at(index) + TICKET_LIFE]):
            end_ticket(a, index)
            r.n_ended += 1
        index = next_ticket(a, index + 1)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def count_of_rings(a: ArenaState) -> u64:
    """How many tickets belong to messages of queues and topics."""
    count: u64 = 0
    index: u64 = 0
    end: u64 = tickets_end(a)
    while index < end:
        at: u64 = ticket_at(index)
        if a.tickets[at + TICKET_SERIAL] and is_of_ring(a.tickets[at + TICKET_LIFE]):
            count += 1
        index += 1
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_ring(a: ArenaState, node: u64, generation: u64) -> cython.bint:
    """Whether the ring of a ticket exists. If it is a round of a magazine, it ends here."""
    return (
        is_the_buffer(a, node, generation)
        and take_out_of_magazines(a, node)
        and is_the_buffer(a, node, generation)
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def expire_tickets(a: ArenaState) -> u64:
    """End the tickets that have expired, and untie those whose senders were reaped; how many ended."""
    count: u64 = 0
    n_handles: u64 = 0
    index: u64 = next_ticket(a, 0)
    time: u64 = clock_ms()
    a.freed_buffers = a.freed_pages = 0
    while index < tickets_end(a) and a.fault == 0:
        at: u64 = ticket_at(index)
        life: u64 = a.tickets[at + TICKET_LIFE]
        if life >= TIED and has_left(a, a.tickets[at + TICKET_SENDER]):
            # From now on. The time when it was sent stays, for those who look.
            life = age_of(a, index, time) + LIFE_AFTER_SENDER_MS
            store(a.tickets, at + TICKET_LIFE, life)
        ends: cython.bint = life != 0 and life < OF_RING and age_of(a, index, time) >= life
        if is_of_ring(life):
            ends = not is_ring(a, life ^ OF_RING, a.tickets[at + TICKET_SENT])
        if ends:
            node: u64 = a.tickets[at + TICKET_NODE]
            was: u64 = a.records[node] if is_page(a, node) else 0
            end_ticket(a, index)
            count += 1
            if not is_of_ring(life):
                n_handles += 1
                count_if_freed(a, node, was)
        index = next_ticket(a, index + 1)
    if n_handles:
        add_count(a, A_EXPIRED, n_handles)
        add_note(a, NOTE_EXPIRED, n_handles)
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def restamp_tickets(a: ArenaState, time: u64) -> cython.void:
    """Set times in the future to now: the clock restarts with the machine."""
    index: u64 = next_ticket(a, 0)
    while index < tickets_end(a):
        sent: u64 = a.tickets[ticket_at(index) + TICKET_SENT]
        if sent > time and not is_of_ring(a.tickets[ticket_at(index) + TICKET_LIFE]):
            store(a.tickets, ticket_at(index) + TICKET_SENT, time)
        index = next_ticket(a, index + 1)
