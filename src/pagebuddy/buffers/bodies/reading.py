"""Reader: takes numbers and bytes out of a message, and refuses to read past its end.

The message may be anything: all that is read from it is checked before it is used.
"""

import struct
import sys
from typing import Any
from zlib import crc32

from pagebuddy.core import stand_in as cython


def contradiction(n_bytes: Any) -> ValueError:
    """Return the error for bytes with a correct checksum that no sender makes."""
    return ValueError(f"these {n_bytes} bytes contradict themselves; dump the object again")


if not cython.compiled:

    class Reader:
        """Bytes, and the position of the next one. Raises TypeError for an object without bytes."""

        def __init__(self, data: Any) -> None:
            self.bytes = memoryview(data).cast("B")
            self.at = 0
            self.end = len(self.bytes)

    def get_number(r: Reader, n_bytes: int) -> int:
        """Take a number."""
        return int.from_bytes(get_view(r, n_bytes), sys.byteorder)

    def get_signed(r: Reader) -> int:
        """Take a number of 64 bits, perhaps a negative one."""
        return int.from_bytes(get_view(r, 8), sys.byteorder, signed=True)

    def get_double(r: Reader) -> float:
        """Take a number of 64 bits that is not whole."""
        number: float = struct.unpack("=d", get_view(r, 8))[0]
        return number

    def get_view(r: Reader, n_bytes: int) -> memoryview:
        """Take bytes, as a view of the message."""
        if n_bytes > r.end - r.at:
            raise contradiction(len(r.bytes))
        r.at += n_bytes
        return r.bytes[r.at - n_bytes : r.at]

    def get_bytes(r: Reader, n_bytes: int) -> bytes:
        """Take bytes."""
        return bytes(get_view(r, n_bytes))

    def get_text(r: Reader, n_bytes: int) -> str:
        """Take text in UTF-8."""
        return str(get_view(r, n_bytes), "utf-8", "surrogatepass")

    def bytes_in(r: Reader) -> int:
        """Return how many bytes the message has."""
        return len(r.bytes)

    def bytes_left(r: Reader) -> int:
        """Return how many bytes there are to read."""
        return r.end - r.at

    def has_checksum(r: Reader, at: int) -> bool:
        """Return whether the 32 bits there are the CRC-32 of all that follows them."""
        checksum = crc32(r.bytes[at + 4 :])
        return bytes(r.bytes[at : at + 4]) == checksum.to_bytes(4, sys.byteorder)

    def jump(r: Reader, at: int, end: int) -> None:
        """Continue at another position, up to an end."""
        r.at, r.end = at, end

    def back(r: Reader, n_bytes: int) -> None:
        """Return to an earlier position."""
        r.at -= n_bytes

    def matches(r: Reader, data: bytes) -> bool:
        """Take so many bytes; return whether they are these."""
        return get_view(r, len(data)) == data
