"""Writer: puts numbers and bytes behind one another. Numbers have the byte order of the machine."""

import struct
import sys
from typing import Any
from zlib import crc32

from pagebuddy.core import stand_in as cython

if not cython.compiled:

    class Writer:
        """Bytes, and the position at which the next one is put."""

        def __init__(self) -> None:
            self.bytes = bytearray()
            self.at = 0

    def put_bytes(w: Writer, data: Any) -> None:
        """Put the bytes of an object."""
        end = w.at + len(data)
        w.bytes[w.at : end] = data
        w.at = end

    def put8(w: Writer, number: int) -> None:
        """Put a number of 8 bits."""
        put_bytes(w, number.to_bytes(1, sys.byteorder))

    def put16(w: Writer, number: int) -> None:
        """Put a number of 16 bits."""
        put_bytes(w, number.to_bytes(2, sys.byteorder))

    def put32(w: Writer, number: int) -> None:
        """Put a number of 32 bits."""
        put_bytes(w, number.to_bytes(4, sys.byteorder))

    def put64(w: Writer, number: int) -> None:
        """Put a number of 64 bits, perhaps a negative one."""
        put_bytes(w, (number & (1 << 64) - 1).to_bytes(8, sys.byteorder))

    def put_double(w: Writer, number: float) -> None:
        """Put a number of 64 bits that is not whole."""
        put_bytes(w, struct.pack("=d", number))

    def put_checksum(w: Writer, at: int) -> None:
        """Put the CRC-32 of all that follows it, up to the position, at another one."""
        checksum = crc32(memoryview(w.bytes)[at + 4 : w.at])
        w.bytes[at : at + 4] = checksum.to_bytes(4, sys.byteorder)

    def position_of(w: Writer) -> int:
        """Return the position."""
        return w.at

    def move(w: Writer, at: int) -> None:
        """Continue at another position."""
        w.bytes += bytes(max(at - len(w.bytes), 0))
        w.at = at

    def finished(w: Writer, first: int) -> bytes:
        """Return the bytes from the first on, up to the position."""
        return bytes(memoryview(w.bytes)[first : w.at])
