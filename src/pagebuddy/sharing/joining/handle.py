"""Handles: the few bytes that name a ticket.

    offset  0  the arena's id, 128 bits
           16  index of the ticket, 32 bits
           20  serial, 64 bits
           28  place, where the arena is found: "n" and its name; "f" and its path; "p", the id of the
               sender's process, "/" and its descriptor of an anonymous arena; or "-" for nowhere
       at end  CRC-32 of all that

The pages and the number of bytes are in the ticket. A handle that was changed or cut, was claimed
before, or names an arena that is gone, is refused before anything is changed.
"""

from __future__ import annotations

import struct
from base64 import b85decode, b85encode
from binascii import crc32
from typing import NamedTuple

from pagebuddy.errors import StaleHandle

_FIXED = struct.Struct("<QQIQ")
_CRC = struct.Struct("<I")
_HALF = (1 << 64) - 1

NOWHERE = "-"
"""The place of an arena of one process, and of anonymous arenas in handles of earlier versions."""


class Handle(NamedTuple):
    """The name of a ticket. `place` says where the arena is found, as above.

    >>> Handle.read(bytes(Handle(7, 3, 9, "nframes")))
    Handle(arena_id=7, ticket_index=3, serial=9, place='nframes')
    """

    arena_id: int
    ticket_index: int
    serial: int
    place: str

    def __bytes__(self) -> bytes:
        data = _FIXED.pack(
            self.arena_id & _HALF, self.arena_id >> 64, self.ticket_index, self.serial
        )
        data += self.place.encode("utf-8", "surrogateescape")
        return data + _CRC.pack(crc32(data))

    @classmethod
    def read(cls, data: bytes) -> Handle:
        """Return the handle in these bytes. Raises `StaleHandle` if they are not a handle."""
        whole = bytes(data)
        content = whole[: -_CRC.size]
        if len(content) <= _FIXED.size or _CRC.pack(crc32(content)) != whole[-_CRC.size :]:
            raise StaleHandle(
                f"these {len(data)} bytes are not a handle, or were cut or changed; send them unchanged"
            )
        low, high, ticket, serial = _FIXED.unpack_from(content)
        place = content[_FIXED.size :].decode("utf-8", "surrogateescape")
        return cls(high << 64 | low, ticket, serial, place)


def place_at(pid: int, fd: int) -> str:
    """Return the place of an anonymous arena: a descriptor of a process."""
    return f"p{pid}/{fd}"


def is_anonymous(place: str) -> bool:
    """Whether a place is of an arena without a name or path."""
    return place[:1] in (NOWHERE, "p")


def as_text(handle: bytes) -> str:
    """Return a handle as ASCII text, a quarter longer.

    >>> from_text(as_text(b"handle"))
    b'handle'
    """
    return b85encode(handle).decode()


def from_text(text: str) -> bytes:
    """Return the handle in a text; for any other text no bytes, which `Handle.read` refuses."""
    try:
        return b85decode(text)
    except ValueError:
        return b""
