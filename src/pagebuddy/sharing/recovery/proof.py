"""Checking every invariant of an arena, by a walk through everything."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.aside import settle
    from pagebuddy.core.prove import prove
    from pagebuddy.core.state import fail
    from pagebuddy.core.words import u64
    from pagebuddy.sharing.holding.directory import (
        entries_end,
        first_free_entry,
        first_in,
        is_found,
        next_in,
    )
    from pagebuddy.sharing.holding.holds import (
        fits,
        holds,
        is_the_buffer,
        is_unused,
        settle_and_find_first,
    )
    from pagebuddy.sharing.holding.magazine import empty_magazines
    from pagebuddy.sharing.recovery.takeover import next_buffer, next_ticket, tickets_end
    from pagebuddy.sharing.state import ArenaState, entry_at, holds_at, slot_at, ticket_at
    from pagebuddy.sharing.system.holes import find_holes
    from pagebuddy.sharing.words import (
        ENTRY_BY_KEY,
        ENTRY_BY_NODE,
        ENTRY_BYTES,
        ENTRY_GENERATION,
        ENTRY_KEY,
        ENTRY_NODE,
        ENTRY_STATE,
        F_DIRECTORY,
        F_ENTRY,
        F_HOLDER,
        F_KEPT,
        F_ORPHAN,
        F_TICKET,
        F_TICKETS,
        SLOT_STATE,
        TICKET_BYTES,
        TICKET_GENERATION,
        TICKET_NODE,
        is_live_slot,
        tickets_in,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def count_listed(a: ArenaState, by: u64) -> u64:
    """The number of entries in all buckets; more than there can be, if lists do not end."""
    count: u64 = 0
    end: u64 = entries_end(a)
    bucket: u64 = 0
    while bucket < end:
        index: u64 = first_in(a, bucket, by)
        while index and count <= end:
            count += 1
            index = next_in(a, index, by)
        bucket += 1
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove_entries(a: ArenaState) -> u64:
    """Check that each entry in use names a live, kept buffer, and is found; their number.

    All others but the first are in the list of free ones, and in no bucket.
    """
    count: u64 = 0
    with_key: u64 = 0
    i: u64 = 1
    end: u64 = entries_end(a)
    while i < end:
        at: u64 = entry_at(i)
        if a.entries[at + ENTRY_STATE]:
            node: u64 = a.entries[at + ENTRY_NODE]
            if (
                not is_the_buffer(a, node, a.entries[at + ENTRY_GENERATION])
                or not holds(a, node, 0)
                or not fits(a, node, a.entries[at + ENTRY_BYTES])
                or not is_found(a, i)
            ):
                fail(a, F_ENTRY, node)
            count += 1
            with_key += a.entries[at + ENTRY_KEY] != 0
        i += 1
    if count_listed(a, ENTRY_BY_KEY) != with_key or count_listed(a, ENTRY_BY_NODE) != count:
        fail(a, F_DIRECTORY, 0)
    left: u64 = end - 1 - count if end else 0
    i = first_free_entry(a)
    while i and left and a.fault == 0:
        if a.entries[entry_at(i) + ENTRY_STATE]:
            fail(a, F_DIRECTORY, 0)
        left -= 1
        i = next_in(a, i, ENTRY_BY_KEY)
    if i or left:
        fail(a, F_DIRECTORY, 0)
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove_tickets(a: ArenaState) -> u64:
    """Check that each ticket names a live buffer that counts it; their number."""
    count: u64 = 0
    i: u64 = next_ticket(a, 0)
    while i < tickets_end(a):
        at: u64 = ticket_at(i)
        node: u64 = a.tickets[at + TICKET_NODE]
        if (
            not is_the_buffer(a, node, a.tickets[at + TICKET_GENERATION])
            or tickets_in(a.holds[holds_at(a, node)]) == 0
            or not fits(a, node, a.tickets[at + TICKET_BYTES])
        ):
            fail(a, F_TICKET, node)
        count += 1
        i = next_ticket(a, i + 1)
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove_holders(a: ArenaState, node: u64) -> cython.void:
    """Check that only live slots hold a buffer."""
    slot: u64 = 1
    while slot < a.n_slots:
        if holds(a, node, slot) and not is_live_slot(a.slots[slot_at(slot) + SLOT_STATE]):
            fail(a, F_HOLDER, node)
        slot += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def prove_arena(a: ArenaState) -> cython.void:
    """Check every invariant, the engine's first; notes the first one that does not hold as a fault."""
    empty_magazines(a)
    settle(a)
    a.holes = a.sparse and find_holes(a)
    prove(a, False)
    a.holes = False
    tickets: u64 = 0
    kept: u64 = 0
    node: u64 = settle_and_find_first(a) if a.fault == 0 else 0
    while node and a.fault == 0:
        if is_unused(a, node):
            fail(a, F_ORPHAN, node)
        tickets += tickets_in(a.holds[holds_at(a, node)])
        kept += holds(a, node, 0)
        prove_holders(a, node)
        node = next_buffer(a, node)
    if a.fault == 0 and prove_entries(a) != kept:
        fail(a, F_KEPT, 0)
    if a.fault == 0 and prove_tickets(a) != tickets:
        fail(a, F_TICKETS, 0)
