"""Bytes that can be checked for changes. Used by the workers of a storm."""

from __future__ import annotations

import struct
from random import Random

# The seed of the pattern, and its length in bytes including this header.
_HEADER = struct.Struct("<QQ")

LEAST = _HEADER.size


def write(view: memoryview, seed: int) -> None:
    """Fill a buffer of at least `LEAST` bytes with the pattern of a seed."""
    view[:] = _pattern(seed, len(view))


def is_sound(view: memoryview) -> bool:
    """Return whether a buffer still contains its pattern. It may have grown since."""
    seed, n_bytes = _HEADER.unpack_from(view)
    return LEAST <= n_bytes <= len(view) and view[:n_bytes] == _pattern(seed, n_bytes)


def _pattern(seed: int, n_bytes: int) -> bytes:
    """Return the pattern for a buffer of `n_bytes` bytes.

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
