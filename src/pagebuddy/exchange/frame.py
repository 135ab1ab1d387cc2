"""Frame: the format of a serialized object.

    offset  0  magic, 8 bytes
            8  CRC-32 of all that follows
           12  version, 16 bits; flags, 16 bits: 1 if the frame lies in the arena, 2 if the receiver
               gets its bytes read-only
           16  the arena's id, 128 bits
           32  number of handles, number of parts, 32 bits each; bytes of the pickle, 64 bits
           48  handles: the length of each, 16 bits, and the handle
               parts: index of the handle, 32 bits; start and stop in its buffer, 64 bits each
               the pickle, to the end

If a frame lies in the arena, its message has a single handle, of the buffer that contains the frame. So
every message is short.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple
from zlib import crc32

_MAGIC = b"\x93pgbuddy"
_VERSION = 1
_OUTSIDE = 1
_READONLY = 2
_START = struct.Struct("<8sI")
_REST = struct.Struct("<HHQQIIQ")
_LENGTH = struct.Struct("<H")
_PART = struct.Struct("<IQQ")
_ALL = struct.Struct(_START.format + _REST.format.lstrip("<"))
_HALF = (1 << 64) - 1


class Part(NamedTuple):
    """Bytes of a handle's buffer that the pickle takes out of band; 0 to 0 means the Buffer itself."""

    handle: int
    start: int
    stop: int

    @property
    def is_buffer(self) -> bool:
        """Whether this is the Buffer itself. A view always has bytes."""
        return self.stop == 0


class Frame(NamedTuple):
    """A pickle, and the handles of the buffers in which its objects lie.

    `outside` means that the frame itself lies in the arena, in the buffer of its only handle; `readonly`
    that all views of its parts are read-only.

    >>> Frame.read(bytes(Frame(7, [b"handle"], [Part(0, 0, 4096)], b"pickle"))).parts
    [Part(handle=0, start=0, stop=4096)]
    """

    arena_id: int
    handles: Sequence[bytes]
    parts: Sequence[Part] = ()
    pickle: Any = b""
    outside: bool = False
    readonly: bool = False

    def __bytes__(self) -> bytes:
        arena_id, handles, parts, pickle, outside, readonly = self
        sizes = len(handles), len(parts), len(pickle)
        flags = (_OUTSIDE if outside else 0) | (_READONLY if readonly else 0)
        pieces = [_REST.pack(_VERSION, flags, arena_id & _HALF, arena_id >> 64, *sizes)]
        for handle in handles:
            pieces += _LENGTH.pack(len(handle)), handle
        pieces += [_PART.pack(*part) for part in parts]
        rest = b"".join(pieces)
        checksum = crc32(pickle, crc32(rest))
        return b"".join((_START.pack(_MAGIC, checksum), rest, pickle))

    @classmethod
    def read(cls, data: Any) -> Frame:
        """Return the frame in these bytes. Its pickle is a view of them.

        Raises ValueError for bytes that are not a frame or were changed, and TypeError for an object
        without bytes.
        """
        told = memoryview(data).cast("B")
        magic, checksum = _START.unpack_from(told) if len(told) >= _ALL.size else (b"", 0)
        if magic != _MAGIC:
            raise ValueError(f"these {len(told)} bytes were not made by arena.dumps")
        if crc32(told[_START.size :]) != checksum:
            raise ValueError(
                f"these {len(told)} bytes were made by arena.dumps, but were cut or changed since"
            )
        version, flags, low, high, n_handles, n_parts, n_pickle = _REST.unpack_from(
            told, _START.size
        )
        if version != _VERSION:
            raise ValueError(
                f"these bytes have version {version}, but this pagebuddy reads version {_VERSION}; use "
                "the same pagebuddy at both ends"
            )
        at = _ALL.size
        handles, parts = [], []
        try:
            for _ in range(n_handles):
                (length,) = _LENGTH.unpack_from(told, at)
                at += _LENGTH.size + length
                handles.append(bytes(told[at - length : at]))
            for _ in range(n_parts):
                parts.append(Part(*_PART.unpack_from(told, at)))
                at += _PART.size
        except struct.error:
            at = len(told) + 1
        sound = at + n_pickle == len(told) and all(part.handle < n_handles for part in parts)
        if not sound or (flags & _OUTSIDE and n_handles != 1):
            raise ValueError(
                f"these {len(told)} bytes contradict themselves; dump the object again"
            )
        outside, readonly = bool(flags & _OUTSIDE), bool(flags & _READONLY)
        return cls(high << 64 | low, handles, parts, told[at:], outside, readonly)


def alone(arena_id: int, pickle: bytes) -> bytes:
    """Return the frame of a pickle without handles, as bytes. Most messages need none.

    >>> Frame.read(alone(7, b"pickle")) == Frame(7, [], [], b"pickle")
    True
    """
    rest = _REST.pack(_VERSION, 0, arena_id & _HALF, arena_id >> 64, 0, 0, len(pickle)) + pickle
    return _START.pack(_MAGIC, crc32(rest)) + rest


def read_alone(arena_id: int, data: Any) -> memoryview | None:
    """Return the pickle of a frame of this arena without handles, as a view.

    Returns None for anything else; `Frame.read` reads other frames, and says what is wrong.

    >>> bytes(read_alone(7, alone(7, b"pickle")))
    b'pickle'
    """
    if type(data) is not bytes or len(data) < _ALL.size:
        return None
    magic, checksum, version, flags, low, high, n_handles, n_parts, n = _ALL.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or flags or n_handles or n_parts:
        return None
    if n != len(data) - _ALL.size or high << 64 | low != arena_id:
        return None
    told = memoryview(data)
    return told[_ALL.size :] if crc32(told[_START.size :]) == checksum else None


def has_handles(data: bytes) -> bool:
    """Return whether a frame that was just made has handles.

    >>> has_handles(alone(7, b"pickle")), has_handles(bytes(Frame(7, [b"handle"])))
    (False, True)
    """
    n_handles: int = _ALL.unpack_from(data)[6]
    return n_handles > 0
