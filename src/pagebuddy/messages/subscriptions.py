"""Subscriptions: rows of a topic's ring, each with the number of the next message for its reader."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.core.words import store, u64
    from pagebuddy.messages.cells import Message, copy_refs, describe
    from pagebuddy.messages.ring import (
        Ring,
        advance_tail,
        cell_at,
        code_of,
        folded,
        is_dead_owner,
        is_guarded,
        owned_state,
        set_guarded,
    )
    from pagebuddy.messages.rows import row_at
    from pagebuddy.sharing.words import (
        C_STATE,
        CLOSED,
        DAMAGED,
        DONE,
        FULL,
        NOTHING_READY,
        OVER,
        R_CLOSED,
        R_HEAD,
        R_TAIL,
        READING,
        READY,
        ROW_MISSED,
        ROW_NEXT,
        ROW_STATE,
        STALE,
        VOID,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def subscribe(a: Attachment, r: Ring, m: Message) -> u64:
    """Take a free row, or that of a dead process; the last `n_bytes` messages are to be read first."""
    advance_tail(r)
    m.row = 0
    while m.row < r.n_rows:
        at: u64 = row_at(r, m.row)
        state: u64 = r.words[at + ROW_STATE]
        if state == 0 or is_dead_owner(a, state):
            head: u64 = r.words[R_HEAD]
            first: u64 = head - m.n_bytes if m.n_bytes < head - r.words[R_TAIL] else r.words[R_TAIL]
            store(r.words, at + ROW_STATE, 0)
            store(r.words, at + ROW_MISSED, 0)
            store(r.words, at + ROW_MISSED + 1, 0)
            set_guarded(r, at + ROW_NEXT, first)
            m.state = owned_state(a, READING)
            store(r.words, at + ROW_STATE, m.state)
            return DONE
        m.row += 1
    return FULL


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def has_row(a: Attachment, r: Ring, m: Message) -> cython.bint:
    """Whether the row is still this process's: a forked child has another slot."""
    return r.words[row_at(r, m.row) + ROW_STATE] == owned_state(a, READING)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def unsubscribe(a: Attachment, r: Ring, m: Message) -> u64:
    """Free the row."""
    if not has_row(a, r, m):
        return STALE
    store(r.words, row_at(r, m.row) + ROW_STATE, 0)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def go_on(r: Ring, at: u64, missed: u64) -> cython.void:
    """Let a subscription go on behind its next message, which counts as missed or not."""
    number: u64 = r.words[at + ROW_NEXT]
    before: u64 = r.words[at + ROW_MISSED + (number & 1)]
    store(r.words, at + ROW_MISSED + (~number & 1), before + missed)
    set_guarded(r, at + ROW_NEXT, number + 1)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def read_message(a: Attachment, r: Ring, m: Message) -> u64:
    """Find the next message of a subscription, and copy its references if there is room for them."""
    if not has_row(a, r, m):
        return STALE
    at: u64 = row_at(r, m.row)
    if not is_guarded(r, at + ROW_NEXT) or r.words[at + ROW_NEXT] < r.words[R_TAIL]:
        return DAMAGED
    while r.words[at + ROW_NEXT] < r.words[R_HEAD]:
        m.number = r.words[at + ROW_NEXT]
        cell: u64 = cell_at(r, m.number)
        state: u64 = r.words[cell + C_STATE]
        if code_of(state) == READY:
            if not describe(r, m, cell):
                return DAMAGED
            copy_refs(r, m)
            return DONE
        if folded(state):
            return DAMAGED
        if code_of(state) not in (OVER, VOID):
            # It is written, or evicted, just now.
            return NOTHING_READY
        go_on(r, at, 1 if code_of(state) == OVER else 0)
    return CLOSED if r.words[R_CLOSED] else NOTHING_READY


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def pass_message(a: Attachment, r: Ring, m: Message) -> u64:
    """Go on behind a message that was received. It may have been evicted, and counted, meanwhile."""
    if not has_row(a, r, m):
        return STALE
    at: u64 = row_at(r, m.row)
    number: u64 = r.words[at + ROW_NEXT]
    if number == m.number:
        go_on(r, at, 0)
    else:
        missed: u64 = at + ROW_MISSED + (number & 1)
        store(r.words, missed, r.words[missed] - 1)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def count_missed(a: Attachment, r: Ring, m: Message) -> u64:
    """Set `number` to the next message of a subscription, and `n_bytes` to how many it missed."""
    at: u64 = row_at(r, m.row)
    m.number = r.words[at + ROW_NEXT]
    m.n_bytes = r.words[at + ROW_MISSED + (m.number & 1)]
    return DONE if has_row(a, r, m) else STALE
