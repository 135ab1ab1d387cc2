"""Handles: the few bytes that name a ticket, and so travel as text does.

    offset  0  the arena's id, 128 bits
           16  index of the ticket, 32 bits
           20  serial, 64 bits
           28  how the arena is found: "-" not at all, "n" and its name, "f" and its path
       at end  CRC-32 of all that

Only the ticket says which pages, and how many bytes. A handle that was changed, cut, doubled, or is of
an arena that is gone, is refused before anything is touched.
"""

from __future__ import annotations

import struct
from base64 import b85decode, b85encode
from dataclasses import dataclass
from zlib import crc32

from pagebuddy.errors import StaleHandle

_FIXED = struct.Struct("<QQIQ")
_CRC = struct.Struct("<I")
_HALF = (1 << 64) - 1


# Not frozen: that would double the time to make one.
@dataclass(slots=True)
class Handle:
    """A ticket's name. `place` is "-", or the arena's name behind an "n", or its path behind an "f".

    >>> Handle.read(bytes(Handle(7, 3, 9, "nframes")))
    Handle(arena_id=7, index=3, serial=9, place='nframes')
    """

    arena_id: int
    index: int
    serial: int
    place: str

    def __bytes__(self) -> bytes:
        told = _FIXED.pack(self.arena_id & _HALF, self.arena_id >> 64, self.index, self.serial)
        told += self.place.encode("utf-8", "surrogateescape")
        return told + _CRC.pack(crc32(told))

    @classmethod
    def read(cls, data: bytes) -> Handle:
        """Return the handle in these bytes. Raises `StaleHandle` for what is none."""
        whole = bytes(data)
        told = whole[: -_CRC.size]
        if len(told) <= _FIXED.size or _CRC.pack(crc32(told)) != whole[-_CRC.size :]:
            raise StaleHandle(
                f"these {len(data)} bytes are no handle, or were cut or changed on their way"
            )
        low, high, index, serial = _FIXED.unpack_from(told)
        place = told[_FIXED.size :].decode("utf-8", "surrogateescape")
        return cls(high << 64 | low, index, serial, place)


def as_text(handle: bytes) -> str:
    """Return a handle as ASCII text, a quarter longer.

    >>> from_text(as_text(b"handle"))
    b'handle'
    """
    return b85encode(handle).decode()


def from_text(text: str) -> bytes:
    """Return the handle in a text; no bytes for what is none, which `Handle.read` refuses."""
    try:
        return b85decode(text)
    except ValueError:
        return b""
