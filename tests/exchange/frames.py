"""The format of a message, read and made by the tests: see `buffers/bodies/frame.py` and `body.py`."""

from __future__ import annotations

import struct
import sys
from typing import NamedTuple
from zlib import crc32

MAGIC = b"\x93pgbuddy"
START = struct.Struct("=8sI")
REST = struct.Struct("=HHQQI")
TICKET = struct.Struct("=IQ")
HALF = (1 << 64) - 1


class Frame(NamedTuple):
    """A body with its tickets: index and serial of each."""

    arena_id: int
    tickets: list[tuple[int, int]]
    body: bytes
    outside: bool = False
    version: int = 2

    def __bytes__(self):
        low, high = self.arena_id & HALF, self.arena_id >> 64
        rest = REST.pack(self.version, self.outside, low, high, len(self.tickets))
        rest += self.body + b"".join(TICKET.pack(*ticket) for ticket in self.tickets)
        return START.pack(MAGIC, crc32(rest)) + rest

    @staticmethod
    def checksum_of(data):
        """Return the checksum that these bytes should have."""
        return crc32(data[START.size :]).to_bytes(4, sys.byteorder)


def frame_of(data):
    """Return the frame in these bytes."""
    magic, checksum = START.unpack_from(data)
    rest = data[START.size :]
    assert (magic, checksum) == (MAGIC, crc32(rest))
    version, flags, low, high, n = REST.unpack_from(rest)
    end = len(rest) - n * TICKET.size
    tickets = [TICKET.unpack_from(rest, at) for at in range(end, len(rest), TICKET.size)]
    return Frame(high << 64 | low, tickets, rest[REST.size : end], bool(flags), version)
