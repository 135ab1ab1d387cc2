"""Transfers: the steps of a message between Python and a ring, and the end of an interrupted one."""

from array import array
from typing import Any

from pagebuddy.core import stand_in as cython
from pagebuddy.errors import CorruptMetadata
from pagebuddy.sharing.joining import failures
from pagebuddy.sharing.system import descriptors

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.core.words import NO_PAGE, u64, words_of
    from pagebuddy.messages.cells import Message, finish_message
    from pagebuddy.messages.changes import run_on_ring
    from pagebuddy.messages.ring import Ring, is_owned
    from pagebuddy.messages.waiting import wake_ring
    from pagebuddy.sharing.operations.dispatch import run_operation
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.system.atomic import peek
    from pagebuddy.sharing.words import (
        CLOSED,
        DAMAGED,
        DONE,
        EVERYBODY,
        FULL,
        IN_HAND,
        LOCK_PATIENCE_MS,
        LOCKED,
        NOTHING_READY,
        OP_END_REFS,
        OP_REAP,
        OVER,
        R_DONES,
        R_GETS,
        R_PENDING,
        R_PUTS,
        READING,
        REF_ROW,
        RING_COUNT,
        RING_GIVE_BACK,
        RING_GIVE_UP,
        RING_UNSUBSCRIBE,
        SLICE_MS,
        SPARE_REFS,
        STALE,
        UNLOCKABLE,
        WRITING,
    )


@cython.cfunc
def new_message(r: Ring) -> Message:
    """Return a message that owns no cell."""
    m: Message = Message.__new__(Message)
    m.ring = r
    m.thing = m.others = None
    m.owned = m.number = m.n_bytes = m.n_refs = m.n_room = m.row = m.crc = m.state = m.refs_at = 0
    return m


@cython.cfunc
def request_for(r: Ring, n_refs: u64) -> Request:
    """Return a request with rows for so many references. Put it back as `spare`: making one is slow."""
    request: Request
    if cython.compiled and n_refs <= SPARE_REFS and r.spare is not None:
        request = r.spare
        r.spare = None
    else:
        n_rooms: u64 = n_refs if n_refs > SPARE_REFS else SPARE_REFS
        request = Request(rows=REF_ROW * n_rooms, ring=r.words_owner, ring_node=r.node)
    request.n_rows = REF_ROW * n_refs
    request.n_ended = 0
    return request


@cython.cfunc
def request_of_refs(r: Ring, m: Message) -> Request:
    """Return a request with the references of a message whose cell this process owns."""
    return request_of(r, m, r.words, m.refs_at)


@cython.cfunc
def request_of(r: Ring, m: Message, words: cython.p_ulonglong, at: u64) -> Request:
    """Return a request with a message's references, which lie at these words."""
    request: Request = request_for(r, m.n_refs)
    i: u64 = 0
    while i < m.n_refs:
        request.rows[REF_ROW * i] = words[at + 2 * i]
        request.rows[REF_ROW * i + 1] = words[at + 2 * i + 1]
        i += 1
    return request


@cython.cfunc
def give_room(m: Message, n_refs: u64) -> None:
    """Make room for copies of so many references."""
    m.n_room = 2 * n_refs
    m.refs_owner = memoryview(array("Q", bytes(8 * m.n_room)))
    m.refs = words_of(m.refs_owner)


@cython.cfunc
def run_with_patience(r: Ring, m: Message, request: Any, what: u64) -> u64:
    """Change the ring, or with a request the arena, waiting for a short time; no signals are handled."""
    a: Attachment = r.attachment
    asked: Request = request
    is_on_ring: cython.bint = request is None
    answer: u64 = run_on_ring(a, r, m, what, 0) if is_on_ring else run_operation(a, asked, what, 0)
    if answer == LOCKED and cython.compiled:
        a.away += 1
        with cython.nogil:  # type: ignore[attr-defined]
            if is_on_ring:
                answer = run_on_ring(a, r, m, what, LOCK_PATIENCE_MS)
            else:
                answer = run_operation(a, asked, what, LOCK_PATIENCE_MS)
        a.away -= 1
    elif answer == LOCKED:
        if is_on_ring:
            answer = run_on_ring(a, r, m, what, LOCK_PATIENCE_MS)
        else:
            answer = run_operation(a, asked, what, LOCK_PATIENCE_MS)
    return answer


@cython.cfunc
def settle_message(m: Message) -> None:
    """Give a message back, or up, or finish it, as far as it came; later if a lock is not available.

    If it is a place of a subscription, end that.
    """
    r: Ring = m.ring
    answer: u64 = DONE
    code: u64 = WRITING if m.owned == WRITING else IN_HAND
    if m.owned != READING and not is_owned(r.attachment, r, m.number, code):
        # A forked child has a copy of this object, but another slot.
        m.owned = 0
        return
    if m.owned in (WRITING, OVER) and m.n_refs:
        answer = run_with_patience(r, m, request_of_refs(r, m), OP_END_REFS)
    if answer not in (LOCKED, UNLOCKABLE):
        if m.owned == OVER:
            finish_message(r.attachment, r, m)
        elif m.owned == READING:
            answer = run_with_patience(r, m, None, RING_UNSUBSCRIBE)
        else:
            answer = run_with_patience(
                r, m, None, RING_GIVE_UP if m.owned == WRITING else RING_GIVE_BACK
            )
    if answer in (LOCKED, UNLOCKABLE):
        keep_for_later(m)
    else:
        m.owned = 0
        # There is a message again, or room, or one message less to wait for.
        wake_ring(r, R_PUTS, EVERYBODY)
        wake_ring(r, R_GETS, EVERYBODY)
        wake_ring(r, R_DONES, EVERYBODY)


@cython.cfunc
def keep_for_later(m: Message) -> None:
    """Let the next change of the ring settle a message."""
    late = new_message(m.ring)
    late.number, late.refs_at, late.n_refs = m.number, m.refs_at, m.n_refs
    late.row = m.row
    late.owned, m.owned = m.owned, 0
    m.ring.late.append(late)


@cython.cfunc
def finish_received(m: Message) -> None:
    """End a message that was received, later if a lock is not available. Handles no signals."""
    r: Ring = m.ring
    answer: u64 = DONE
    if m.owned == 0:
        return
    if m.n_refs:
        # From here on it cannot be given back.
        m.owned = OVER
        request: Request = request_of_refs(r, m)
        answer = run_with_patience(r, m, request, OP_END_REFS)
        r.spare = request
    if answer in (LOCKED, UNLOCKABLE):
        keep_for_later(m)
    else:
        finish_message(r.attachment, r, m)
        wake_ring(r, R_GETS, EVERYBODY)


@cython.cfunc
def settle_late(r: Ring) -> None:
    """Settle what could not be settled before."""
    late, r.late = r.late, []
    for each in late:
        m: Message = each
        if m.owned:
            settle_message(m)


@cython.cfunc
def change(r: Ring, m: Message, what: u64) -> u64:
    """Change a ring; return the answer if that is not an error.

    Other threads run and signals are handled while this waits for the ring's lock.
    """
    a: Attachment = r.attachment
    if r.late:
        settle_late(r)
    answer: u64 = run_on_ring(a, r, m, what, 0)
    tries: u64 = 3
    while answer == LOCKED or (answer == UNLOCKABLE and tries):
        if answer == UNLOCKABLE:
            tries -= 1
            if not descriptors.lock_again(a):
                break
        if cython.compiled:
            with cython.nogil:  # type: ignore[attr-defined]
                answer = run_on_ring(a, r, m, what, SLICE_MS)
            if answer == LOCKED:
                # Not after the change was made: its answer would be lost.
                handle_signals()  # type: ignore[name-defined]  # noqa: F821
        else:
            answer = run_on_ring(a, r, m, what, SLICE_MS)
    if answer in (DONE, FULL, CLOSED, NOTHING_READY, STALE):
        return answer
    if answer == DAMAGED:
        raise damaged_ring("its words contradict each other")
    raise failures.error_for(a, answer, Request())


@cython.cfunc
def looked_up(r: Ring, index: u64) -> u64:
    """Return a guarded word, without the lock. Raises `CorruptMetadata`."""
    tries: u64 = 100
    while tries:
        value: u64 = peek(r.words, index)
        if peek(r.words, index + 1) ^ value == NO_PAGE:
            return value
        tries -= 1
    # Between its two stores, or it was overwritten.
    change(r, new_message(r), RING_COUNT)
    return peek(r.words, index)


@cython.cfunc
def drop_ring(r: Ring) -> None:
    """End the hold on a ring. If the ring ends with it, so do its messages."""
    pending: u64 = peek(r.words, R_PENDING)
    r.pages = r.words_owner = r.region_owner = r.spare = None
    if not cython.compiled:
        r.words = r.region = memoryview(b"")  # views hold the pages
    if pending:
        run_with_patience(r, new_message(r), Request(), OP_REAP)


def damaged_ring(detail: str) -> Exception:
    """Return the error for a ring whose words were changed by something else."""
    return CorruptMetadata(
        "the words of a queue or topic agree with each other",
        detail,
        None,
        "unlink it, and make it anew",
    )
