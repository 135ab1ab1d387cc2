"""Taking over: rebuilding all derived state from the source of truth, after a process died at work.

The source of truth is: the records, the holds of processes, the states of directory entries, and the
serials of tickets. If the process that takes over dies as well, they are as they were, or nearer to the
result, so the next process starts again and gets the same result.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.rebuild import rebuild
    from pagebuddy.core.spans import length, next_live
    from pagebuddy.core.words import store, u64
    from pagebuddy.sharing.holding.holds import (
        fits,
        free_if_unused,
        is_the_buffer,
        settle_and_find_first,
    )
    from pagebuddy.sharing.holding.magazine import mend_magazines
    from pagebuddy.sharing.recovery.mend_directory import mend_directory
    from pagebuddy.sharing.state import ArenaState, holds_at, ticket_at
    from pagebuddy.sharing.system.holes import find_holes
    from pagebuddy.sharing.words import (
        A_POISONED,
        A_TICKETS_END,
        FIRST_WORD_SLOTS,
        TICKET_BYTES,
        TICKET_GENERATION,
        TICKET_NODE,
        TICKET_SERIAL,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def next_buffer(a: ArenaState, node: u64) -> u64:
    """The buffer after the one at a node; 0 after the last, or at a fault."""
    n: u64 = length(a, node)
    return next_live(a, node + n) if n else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def tickets_end(a: ArenaState) -> u64:
    """The index after the last entry that was ever used for a ticket."""
    end: u64 = a.base[A_TICKETS_END]
    return end if end < a.n_tickets else a.n_tickets


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def next_ticket(a: ArenaState, index: u64) -> u64:
    """The first ticket from an index on; `tickets_end` if there is none."""
    end: u64 = tickets_end(a)
    while index < end and a.tickets[ticket_at(index) + TICKET_SERIAL] == 0:
        index += 1
    return index


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def recount(a: ArenaState) -> cython.void:
    """Rebuild the counts of tickets and the kept bits from the tickets and the directory."""
    node: u64 = settle_and_find_first(a)
    one: u64 = 1
    # All but the kept bit and the count of tickets.
    slots: u64 = (one << FIRST_WORD_SLOTS) - 2
    while node and a.fault == 0:
        store(a.holds, holds_at(a, node), a.holds[holds_at(a, node)] & slots)
        node = next_buffer(a, node)
    mend_directory(a)
    i: u64 = next_ticket(a, 0)
    while i < tickets_end(a):
        at: u64 = ticket_at(i)
        node = a.tickets[at + TICKET_NODE]
        if is_the_buffer(a, node, a.tickets[at + TICKET_GENERATION]):
            counted: u64 = a.holds[holds_at(a, node)] + (one << FIRST_WORD_SLOTS)
            store(a.holds, holds_at(a, node), counted)
            if not fits(a, node, a.tickets[at + TICKET_BYTES]):
                store(a.tickets, at + TICKET_BYTES, length(a, node) << a.page_bits)
        else:
            store(a.tickets, at + TICKET_SERIAL, 0)
        i = next_ticket(a, i + 1)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def free_orphans(a: ArenaState) -> cython.void:
    """Free every buffer that nothing protects: allocating or freeing it was interrupted."""
    node: u64 = settle_and_find_first(a)
    while node and a.fault == 0:
        after: u64 = next_buffer(a, node)
        free_if_unused(a, node)
        node = after


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_over(a: ArenaState, high: u64, thorough: cython.bint) -> cython.bint:
    """Repair the arena; False, and the arena is poisoned, if its records contradict each other.

    There are no buffers from the node `high` on. `thorough` also finds records inside the pages of other
    buffers: a power cut can leave such records, a killed process cannot.
    """
    fault: u64 = a.fault
    a.fault = 0
    a.holes = a.sparse and find_holes(a)
    rebuild(a, high, thorough)
    a.holes = False
    if a.fault == 0:
        mend_magazines(a)
        recount(a)
    if a.fault == 0:
        free_orphans(a)
    if a.fault:
        store(a.base, A_POISONED, 1)
        return False
    a.fault = fault
    return True
