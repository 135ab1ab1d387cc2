"""Bytes that tell whether they are those that were written."""

from __future__ import annotations

import struct
from random import Random

# The seed of the pattern, and how many bytes of it there are, header included.
_HEADER = struct.Struct("<QQ")

LEAST = _HEADER.size


def write(view: memoryview, seed: int) -> None:
    """Fill a buffer of at least `LEAST` bytes."""
    view[:] = _pattern(seed, len(view))


def is_sound(view: memoryview) -> bool:
    """Whether a buffer, perhaps one that grew since, has the bytes that were written."""
    seed, n_bytes = _HEADER.unpack_from(view)
    return LEAST <= n_bytes <= len(view) and view[:n_bytes] == _pattern(seed, n_bytes)


def _pattern(seed: int, n_bytes: int) -> bytes:
    """What belongs into n_bytes.

    >>> view = memoryview(bytearray(100))
    >>> write(view, 7)
    >>> is_sound(view)
    True
    >>> view[50] ^= 1
    >>> is_sound(view)
    False
    """
    block = Random(seed).randbytes(1021)
    body = n_bytes - LEAST
    return _HEADER.pack(seed, n_bytes) + (block * (body // len(block) + 1))[:body]
