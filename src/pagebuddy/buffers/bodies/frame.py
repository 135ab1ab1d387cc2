"""Frame: a body with its tickets, as one message. `Arena.dumps` returns it, and `loads` takes it.

    offset  0  magic, 8 bytes
            8  CRC-32 of all that follows
           12  version, 16 bits; flags, 16 bits: 1 if the frame proper lies in the arena
           16  the arena's id, 128 bits
           32  number of tickets, 32 bits
           36  tickets: index, 32 bits; serial, 64 bits each. The first is that of the first pages of
               the body, and so on
               the body, to the end

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
        contradiction,
        get_number,
        has_checksum,
        jump,
        matches,
    )
    from pagebuddy.buffers.bodies.words import (
        FRAME_AT_CHECKSUM,
        FRAME_AT_FLAGS,
        FRAME_AT_TICKETS,
        FRAME_OUTSIDE,
        FRAME_VERSION,
    )
    from pagebuddy.buffers.bodies.writing import (
        Writer,
        finished,
        put16,
        put32,
        put64,
        put_bytes,
        put_checksum,
    )
    from pagebuddy.core.words import u64

_MAGIC = b"\x93pgbuddy"


@cython.cfunc
def framed(a: Attachment, tickets: Any, data: Any, flags: u64) -> Any:
    """Return the frame of a body, given its tickets: rows of an `Unclaimed`."""
    w: Writer = Writer()
    put_bytes(w, _MAGIC)
    put32(w, 0)
    put16(w, FRAME_VERSION)
    put16(w, flags)
    put64(w, a.id_low)
    put64(w, a.id_high)
    put32(w, len(tickets))
    for row in tickets:
        put32(w, row[1])
        put64(w, row[2])
    put_bytes(w, data)
    put_checksum(w, FRAME_AT_CHECKSUM)
    return finished(w)


@cython.cfunc
def frame_in(a: Attachment, data: Any) -> Reader:
    """Return a reader of the flags and what follows, of bytes that are a frame of the arena.

    Raises ValueError for bytes that are not a frame or were changed, TypeError for an object without
    bytes, and `StaleHandle` for a frame of another arena.
    """
    r: Reader = Reader(data)
    n_bytes: u64 = bytes_in(r)
    if n_bytes < FRAME_AT_TICKETS or not matches(r, _MAGIC):
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
    if flags > FRAME_OUTSIDE or (flags and get_number(r, 4) != 1):
        raise contradiction(n_bytes)
    jump(r, FRAME_AT_FLAGS)
    return r


@cython.cfunc
def is_outside(r: Reader) -> cython.bint:
    """Take the flags and the id of a frame; return whether the frame proper lies in the arena."""
    flags: u64 = get_number(r, 2)
    get_number(r, 8)
    get_number(r, 8)
    return flags == FRAME_OUTSIDE


@cython.cfunc
def tickets_in_frame(r: Reader) -> Any:
    """Take the tickets of a frame: index and serial of each."""
    tickets: list[Any] = []
    n: u64 = get_number(r, 4)
    for _ in range(n):
        index: u64 = get_number(r, 4)
        serial: u64 = get_number(r, 8)
        tickets.append((index, serial))
    return tickets
