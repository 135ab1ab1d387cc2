"""References: the tickets of a ring's message, which lie in the ring, and belong to it.

A request has a row of REF_ROW words for each.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.words import u64
    from pagebuddy.sharing.holding.tickets import do_hold, do_send, end_ticket, is_ticket
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.state import ArenaState, ticket_at
    from pagebuddy.sharing.words import DONE, OF_RING, REF_ROW, STALE, TICKET_LIFE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_send_refs(a: ArenaState, r: Request) -> u64:
    """Make tickets of a ring's message, for nodes and lengths in `rows`; `n_ended` have been made."""
    answer: u64 = DONE
    # A request that is repeated goes on behind those that were made.
    while answer == DONE and r.n_ended * REF_ROW < r.n_rows:
        r.node = r.rows[r.n_ended * REF_ROW]
        r.n_bytes = r.rows[r.n_ended * REF_ROW + 1]
        answer = do_send(a, r)
        if answer == DONE:
            r.n_ended += 1
            r.refs_at += 2
    return answer


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_hold_refs(a: ArenaState, r: Request) -> u64:
    """Hold the buffers of the tickets in `rows`: a ring's references.

    Replaces each by node, length and number of pages; `n_ended` are held. STALE for a ticket that ended,
    or is not this ring's.
    """
    answer: u64 = DONE
    while answer == DONE and r.n_ended * REF_ROW < r.n_rows:
        at: u64 = r.n_ended * REF_ROW
        r.ticket_index = r.rows[at]
        r.serial = r.rows[at + 1]
        if not is_ticket(a, r.ticket_index, r.serial) or (
            a.tickets[ticket_at(r.ticket_index) + TICKET_LIFE] != (OF_RING | r.ring_node)
        ):
            return STALE
        answer = do_hold(a, r)
        if answer == DONE:
            r.rows[at] = r.node
            r.rows[at + 1] = r.n_bytes
            r.rows[at + 2] = r.n_pages
            r.n_ended += 1
    return answer


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def do_end_refs(a: ArenaState, r: Request) -> u64:
    """Withdraw the tickets in `rows` that are this ring's; those that ended are left out."""
    i: u64 = 0
    while i < r.n_rows:
        r.ticket_index = r.rows[i]
        if is_ticket(a, r.ticket_index, r.rows[i + 1]) and (
            a.tickets[ticket_at(r.ticket_index) + TICKET_LIFE] == (OF_RING | r.ring_node)
        ):
            end_ticket(a, r.ticket_index)
        i += REF_ROW
    return DONE
