"""Sending: the bytes of an object, and the pages that they refer to, into a ring."""

from typing import Any

from pagebuddy.core import stand_in as cython
from pagebuddy.errors import OutOfTickets

if not cython.compiled:
    from zlib import crc32 as crc_of_bytes

    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.pages import node_of_pages
    from pagebuddy.core.words import u64
    from pagebuddy.messages.cells import Message
    from pagebuddy.messages.ring import Ring
    from pagebuddy.messages.transfers import change, new_message, request_for, settle_message
    from pagebuddy.messages.waiting import wake_ring
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.system.atomic import peek
    from pagebuddy.sharing.words import (
        DONE,
        EVERYBODY,
        NO_TICKETS,
        OP_REAP,
        OP_SEND_REFS,
        QUEUE,
        R_GETS,
        R_PENDING,
        R_PUTS,
        REF_ROW,
        RING_COMMIT,
        RING_PUT,
        RING_RESERVE,
    )

    def start_of_bytes(body: bytes) -> memoryview:
        """Return the bytes for `Message.source`."""
        return memoryview(body)


@cython.cfunc
def put_plain(r: Ring, data: Any) -> u64:
    """Put a message without pages, which fits into the ring: DONE, FULL, or CLOSED."""
    m: Message = message_of(r, data)
    answer: u64 = change(r, m, RING_PUT)
    if answer == DONE:
        wake_for_message(r)
    return answer


@cython.cfunc
def put_body(r: Ring, data: Any, body: Any) -> u64:
    """Put a message with the pages of a body: DONE, FULL, NO_TICKETS, or CLOSED.

    `body` is a `Body`, or has `pages`, `shown` and `handed` like one. Raises what making tickets raises,
    and ValueError if the message is larger than the ring; then nothing was put.
    """
    m: Message = message_of(r, data)
    pages, shown = body.pages, body.shown
    m.n_refs = len(pages)
    if m.n_bytes + 16 * m.n_refs > r.n_bytes:
        raise ValueError(
            f"the message has {m.n_refs} buffers, and so {m.n_bytes + 16 * m.n_refs} bytes in the "
            f"queue, which has room for {r.n_bytes}; send fewer, or make the queue with nbytes="
        )
    answer: u64 = put_with_tickets(r, m, pages, shown) if m.n_refs else change(r, m, RING_PUT)
    if answer == DONE:
        # No signal is handled in between.
        body.handed()
        wake_for_message(r)
    return answer


@cython.cfunc
def message_of(r: Ring, data: Any) -> Message:
    """Return a message with these bytes."""
    m: Message = new_message(r)
    m.source_owner = data
    m.source = start_of_bytes(data)
    m.n_bytes = len(data)
    m.crc = crc_of_bytes(data)
    return m


@cython.cfunc
def put_with_tickets(r: Ring, m: Message, pages: Any, shown: Any) -> u64:
    """Reserve room for a message, make the tickets of its pages, and let it be taken."""
    a: Attachment = r.attachment
    request: Request = request_for(r, m.n_refs)
    i: u64 = 0
    while i < m.n_refs:
        request.rows[REF_ROW * i] = node_of_pages(a, pages[i])
        request.rows[REF_ROW * i + 1] = shown[i]
        i += 1
    answer: u64 = change(r, m, RING_RESERVE)
    if answer != DONE:
        return answer
    try:
        request.refs_at = m.refs_at
        try:
            a.perform(request, OP_SEND_REFS)
        except OutOfTickets:
            a.perform(Request(), OP_REAP)
            a.perform(request, OP_SEND_REFS)
        answer = change(r, m, RING_COMMIT)
        r.spare = request
    except BaseException as error:
        # A traceback would keep it.
        if m.owned:
            settle_message(m)
        if not isinstance(error, OutOfTickets) or peek(r.words, R_PENDING) == 0:
            raise
        # Messages that wait here have some.
        answer = NO_TICKETS
    return answer


@cython.cfunc
def wake_for_message(r: Ring) -> cython.void:
    """Wake those who wait for the message that was put."""
    wake_ring(r, R_PUTS, 1 if r.kind == QUEUE else EVERYBODY)
    if r.kind != QUEUE:
        # Another publisher may wait to evict it.
        wake_ring(r, R_GETS, EVERYBODY)
