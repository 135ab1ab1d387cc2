"""Receiving: a message of a ring, its bytes, its pages, and its object."""

from typing import Any

from pagebuddy.core import stand_in as cython
from pagebuddy.errors import StaleHandle

if not cython.compiled:
    from zlib import crc32 as crc_of_bytes

    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.bodies.unpacking import unpacked_alone
    from pagebuddy.buffers.pages import filled, new_pages
    from pagebuddy.core.words import u64
    from pagebuddy.messages.cells import Message
    from pagebuddy.messages.ring import Ring, cell_at
    from pagebuddy.messages.transfers import (
        change,
        damaged_ring,
        finish_received,
        give_room,
        new_message,
        request_of,
        request_of_refs,
        settle_message,
    )
    from pagebuddy.messages.waiting import wake_ring
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.system.atomic import peek
    from pagebuddy.sharing.words import (
        C_NUMBER,
        C_STATE,
        CLOSED,
        DONE,
        NOTHING_READY,
        OP_HOLD_REFS,
        R_PUTS,
        R_READY,
        REF_ROW,
        RING_READ,
        RING_TAKE,
        STALE,
    )

    def bytes_in_region(r: Ring, at: int, n: int) -> bytes:
        """Return a copy of bytes of the region."""
        return bytes(r.region[at : at + n])


@cython.cfunc
def take_next(r: Ring) -> Any:
    """Take the next message; None if there is none, False if the ring is closed and empty."""
    m: Message = new_message(r)
    answer: u64 = change(r, m, RING_TAKE)
    if answer == DONE:
        if r.words[R_READY]:
            # Whoever sleeps beside it would not be woken for that one.
            wake_ring(r, R_PUTS, 1)
        return m
    return False if answer == CLOSED else None


@cython.cfunc
def opened_message(m: Message, unpack: Any) -> Any:
    """Return a message whose `received` is its object now.

    End it if unpacking fails, and give it back if that is interrupted.
    """
    try:
        try:
            unpack_into(m, unpack)
        except Exception:
            # It would fail again: that is how this message is delivered.
            finish_received(m)
            raise
    except BaseException:
        # A traceback would keep it.
        if m.owned:
            settle_message(m)
        raise
    return m


@cython.cfunc
def unpack_into(m: Message, unpack: Any) -> cython.void:
    """Unpack a message's object. Raises what that raises; the message is not settled then."""
    r: Ring = m.ring
    data = data_of_message(r, m)
    if m.n_refs:
        m.thing = unpack(r.attachment, data, pages_of_message(r, m))
    else:
        m.thing = unpacked_alone(r.attachment, data, False)


@cython.cfunc
def receive_ready(r: Ring, messages: Any, most: u64, unpack: Any) -> cython.void:
    """Take and open messages that are ready, until the list has so many."""
    while cython.cast(u64, len(messages)) < most:
        taken = take_next(r)
        if not taken:
            return
        messages.append(taken)
        m: Message = taken
        try:
            unpack_into(m, unpack)
        except Exception:
            # The next call raises it.
            messages.pop()
            settle_message(m)
            return


@cython.cfunc
def data_of_message(r: Ring, m: Message) -> Any:
    """Return the bytes of a message. Raises `CorruptMetadata`."""
    data = bytes_in_region(r, m.bytes_at, m.n_bytes)
    if crc_of_bytes(data) != m.crc:
        raise damaged_ring(f"message {m.number} has not the checksum that it was put with")
    return data


@cython.cfunc
def pages_of_message(r: Ring, m: Message) -> Any:
    """Hold the buffers of a message: return what keeps them. Raises `CorruptMetadata`."""
    if m.n_refs == 0:
        return []
    try:
        return held_pages(r, request_of_refs(r, m))
    except StaleHandle:
        detail = f"message {m.number} names a ticket that is none of it"
        raise damaged_ring(detail) from None


@cython.cfunc
def held_pages(r: Ring, request: Request) -> Any:
    """Hold the buffers of references: return the list of what keeps them. Raises `StaleHandle`."""
    a: Attachment = r.attachment
    pages: list[Any] = []
    try:
        a.perform(request, OP_HOLD_REFS)
    finally:
        i: u64 = 0
        while i < request.n_ended:
            node: u64 = request.rows[REF_ROW * i]
            n: u64 = request.rows[REF_ROW * i + 2]
            asked: u64 = request.rows[REF_ROW * i + 1]
            pages.append(filled(a, new_pages(a, n), node, n, asked))
            i += 1
    r.spare = request
    return pages


@cython.cfunc
def read_of(r: Ring, place: Message) -> Any:
    """Return the next message of a subscription, with its bytes and pages; then `Channel.passed`.

    None if there is none, False if the topic was unlinked and read, True if the row is another's.
    """
    m: Message = new_message(r)
    m.row = place.row
    m.refs_owner, m.refs, m.n_room = place.refs_owner, place.refs, place.n_room
    while True:
        answer: u64 = change(r, m, RING_READ)
        if answer != DONE:
            return None if answer == NOTHING_READY else answer == STALE
        if 2 * m.n_refs > m.n_room:
            give_room(m, m.n_refs)
            continue
        m.thing = bytes_in_region(r, m.bytes_at, m.n_bytes)
        try:
            m.others = held_pages(r, request_of(r, m, m.refs, 0)) if m.n_refs else None
            is_whole: cython.bint = crc_of_bytes(m.thing) == m.crc
            if is_whole:
                return m
        except StaleHandle:
            is_whole = True
        at: u64 = cell_at(r, m.number)
        # Otherwise it was evicted meanwhile.
        if peek(r.words, at + C_STATE) == m.state and peek(r.words, at + C_NUMBER) == m.number:
            raise damaged_ring(
                f"message {m.number} has not the "
                f"{'buffers' if is_whole else 'checksum'} that it was put with"
            )


@cython.cfunc
def unpacked_of(m: Message, unpack: Any, readonly: cython.bint) -> Any:
    """Return the object of a message of a subscription, which refers to nothing then."""
    data, pages = m.thing, m.others
    m.thing = m.others = None
    if pages is None:
        return unpacked_alone(m.ring.attachment, data, readonly)
    return unpack(m.ring.attachment, data, pages, readonly)
