"""Frame: a body with its tickets, as one message. `Arena.dumps` returns it, and `loads` takes it.

    offset  0  magic, 8 bytes
            8  CRC-32 of all that follows
           12  version, 16 bits; flags, 16 bits: 1 if the frame proper lies in the arena
           16  the arena's id, 128 bits
           32  number of tickets, 32 bits
           36  the body
       at end  tickets: index, 32 bits; serial, 64 bits each. The first is that of the first pages of
               the body, and so on

If a frame lies in the arena, its message has no body, and a single ticket: that of the buffer with the
frame. So every message is short. Numbers have the byte order of the machine.
"""

from typing import Any

from pagebuddy.core import stand_in as cython
from pagebuddy.errors import StaleHandle

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.bodies.reading import (
        Reader,
        bytes_in,
        bytes_left,
        contradiction,
        get_number,
        has_checksum,
        jump,
        matches,
    )
    from pagebuddy.buffers.bodies.words import (
        FRAME_AT_BODY,
        FRAME_AT_CHECKSUM,
        FRAME_OUTSIDE,
        FRAME_VERSION,
        TICKET_IN_FRAME,
    )
    from pagebuddy.buffers.bodies.writing import (
        Writer,
        finished,
        move,
        position_of,
        put16,
        put32,
        put64,
        put_bytes,
        put_checksum,
    )
    from pagebuddy.core.words import u64

_MAGIC = b"\x93pgbuddy"


@cython.cfunc
def framed(a: Attachment, w: Writer, tickets: Any, flags: u64) -> Any:
    """Return the frame of a body that was written behind FRAME_AT_BODY.

    The tickets are rows of an `Unclaimed`.
    """
    for row in tickets:
        put32(w, row[1])
        put64(w, row[2])
    end: u64 = position_of(w)
    move(w, 0)
    put_bytes(w, _MAGIC)
    put32(w, 0)
    put16(w, FRAME_VERSION)
    put16(w, flags)
    put64(w, a.id_low)
    put64(w, a.id_high)
    put32(w, len(tickets))
    move(w, end)
    put_checksum(w, FRAME_AT_CHECKSUM)
    return finished(w, 0)


@cython.cfunc
def frame_in(a: Attachment, data: Any) -> Reader:
    """Return a reader of the body in bytes that are a frame of the arena.

    Raises ValueError for bytes that are not a frame or were changed, TypeError for an object without
    bytes, and `StaleHandle` for a frame of another arena.
    """
    r: Reader = Reader(data)
    n_bytes: u64 = bytes_in(r)
    if n_bytes < FRAME_AT_BODY or not matches(r, _MAGIC):
        raise ValueError(f"these {n_bytes} bytes were not made by arena.dumps")
    if not has_checksum(r, FRAME_AT_CHECKSUM):
        raise ValueError(
            f"these {n_bytes} bytes were made by arena.dumps, but were cut or changed since"
        )
    get_number(r, 4)
    version: u64 = get_number(r, 2)
    if version != FRAME_VERSION:
        raise ValueError(
            f"these bytes have version {version}, but this pagebuddy reads version {FRAME_VERSION}; use "
            "the same pagebuddy at both ends"
        )
    flags: u64 = get_number(r, 2)
    low: u64 = get_number(r, 8)
    if low != a.id_low or get_number(r, 8) != a.id_high:
        raise StaleHandle("these bytes were made by another arena, perhaps one of the same name")
    n: u64 = get_number(r, 4)
    if n > (n_bytes - FRAME_AT_BODY) // TICKET_IN_FRAME or flags > FRAME_OUTSIDE:
        raise contradiction(n_bytes)
    body_end: u64 = n_bytes - n * TICKET_IN_FRAME
    if flags and (n != 1 or body_end != FRAME_AT_BODY):
        raise contradiction(n_bytes)
    jump(r, FRAME_AT_BODY, body_end)
    return r


@cython.cfunc
def is_outside(r: Reader) -> cython.bint:
    """Return whether the frame proper lies in the arena, given the reader of its body."""
    # A body has at least two bytes.
    return bytes_left(r) == 0


@cython.cfunc
def tickets_in_frame(r: Reader) -> Any:
    """Return the tickets behind a body, to which the reader returns: index and serial of each."""
    tickets: list[Any] = []
    body_end: u64 = FRAME_AT_BODY + bytes_left(r)
    jump(r, body_end, bytes_in(r))
    while bytes_left(r):
        index: u64 = get_number(r, 4)
        serial: u64 = get_number(r, 8)
        tickets.append((index, serial))
    jump(r, FRAME_AT_BODY, body_end)
    return tickets
