"""Writer: puts numbers and bytes behind one another. Numbers have the byte order of the machine."""

import struct
import sys
from typing import Any
from zlib import crc32

from pagebuddy.core import stand_in as cython

if not cython.compiled:

    class Writer:
        """The bytes so far."""

        def __init__(self) -> None:
            self.bytes = bytearray()

    def put8(w: Writer, number: int) -> None:
        """Add a number of 8 bits."""
        w.bytes.append(number)

    def put16(w: Writer, number: int) -> None:
        """Add a number of 16 bits."""
        w.bytes += number.to_bytes(2, sys.byteorder)

    def put32(w: Writer, number: int) -> None:
        """Add a number of 32 bits."""
        w.bytes += number.to_bytes(4, sys.byteorder)

    def put64(w: Writer, number: int) -> None:
        """Add a number of 64 bits, perhaps a negative one."""
        w.bytes += (number & (1 << 64) - 1).to_bytes(8, sys.byteorder)

    def put_double(w: Writer, number: float) -> None:
        """Add a number of 64 bits that is not whole."""
        w.bytes += struct.pack("=d", number)

    def put_bytes(w: Writer, data: Any) -> None:
        """Add the bytes of an object."""
        w.bytes += data

    def put_checksum(w: Writer, at: int) -> None:
        """Store the CRC-32 of all that follows it."""
        w.bytes[at : at + 4] = crc32(memoryview(w.bytes)[at + 4 :]).to_bytes(4, sys.byteorder)

    def finished(w: Writer) -> bytes:
        """Return all bytes."""
        return bytes(w.bytes)
