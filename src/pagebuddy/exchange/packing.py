"""Packing: an object as bytes of one buffer, from which any number of processes can read it.

    offset  0  magic, 8 bytes
            8  CRC-32 of all that follows, up to the end of the pickle
           12  version, 16 bits; 16 bits of 0
           16  number of buffers, bytes of the pickle, 64 bits each
           32  buffers: first byte and end in the packed object, 64 bits each
               the pickle
               the buffers, each at a multiple of 64 bytes

`docs/protocol.md` describes how such a buffer is kept and replaced.
"""

from __future__ import annotations

import struct
from io import BytesIO
from pickle import PickleBuffer, loads
from typing import Any
from zlib import crc32

from pagebuddy.buffers.arrays import short_dtype
from pagebuddy.exchange.out_of_band import ALIGNMENT, FORMATS, OutOfBand
from pagebuddy.exchange.remaking import remade_array, remade_view

_MAGIC = b"\x93pbobjct"
_VERSION = 1
_START = struct.Struct("<8sI")
_REST = struct.Struct("<HHQQ")
_RANGE = struct.Struct("<QQ")
_HEADER = _START.size + _REST.size


class Packed:
    """An object that was pickled, and has to be written into `n_bytes` bytes.

    Raises what pickling the object raises.
    """

    def __init__(self, arena: Any, thing: Any) -> None:
        self._raws: list[memoryview] = []
        file = BytesIO()
        pickler = _ObjectPickler(arena, file, self._raws)
        try:
            pickler.dump(thing)
        except BaseException:
            # The exception refers to it.
            self.drop()
            raise
        finally:
            # The pickler refers to its own method. Its memo would keep the object until garbage is
            # collected, and some Pythons crash when they collect a memoryview in a cycle (CPython's
            # issue 77894).
            pickler.clear_memo()
        self._pickle = file.getvalue()
        self._ranges: list[tuple[int, int]] = []
        end = _HEADER + _RANGE.size * len(self._raws) + len(self._pickle)
        for raw in self._raws:
            at = -(-end // ALIGNMENT) * ALIGNMENT
            end = at + len(raw)
            self._ranges.append((at, end))
        self.n_bytes = end

    def write(self, view: memoryview) -> None:
        """Write it to the first `n_bytes` bytes of a view."""
        told = b"".join(_RANGE.pack(*each) for each in self._ranges)
        rest = _REST.pack(_VERSION, 0, len(self._ranges), len(self._pickle)) + told
        start = _START.pack(_MAGIC, crc32(self._pickle, crc32(rest))) + rest
        end = len(start) + len(self._pickle)
        view[: len(start)] = start
        view[len(start) : end] = self._pickle
        for (at, stop), raw in zip(self._ranges, self._raws, strict=True):
            # What is between would show bytes of another's.
            view[end:at] = bytes(at - end)
            view[at:stop] = raw
            end = stop

    def drop(self) -> None:
        """Refer to no buffer any more: an exception may be kept for a long time."""
        self._raws.clear()


class _ObjectPickler(OutOfBand):
    """Pickles with protocol 5, and takes the buffers; arrays of every layout are out of band."""

    def __init__(self, arena: Any, file: Any, raws: list[memoryview]) -> None:
        super().__init__(arena, file, self._take)
        self._raws = raws
        # What the pickler will pass to `_take` next, and the bytes for which it stands.
        self._announced: tuple[PickleBuffer, memoryview] | None = None

    def _take(self, exported: PickleBuffer) -> bool:
        announced, self._announced = self._announced, None
        if announced is not None and announced[0] is exported:
            raw = announced[1]
        else:
            raw = exported.raw()
        if not len(raw):
            return True
        self._raws.append(raw)
        return False

    def _buffer(self, buffer: Any) -> Any:
        raise TypeError(
            "a Buffer cannot be part of an object that is kept, because its handle can be claimed "
            "once; keep buffer.view or buffer.array(), or the buffer itself with buffer.keep(key)"
        )

    def _announce(self, raw: memoryview) -> PickleBuffer:
        """Return what the pickler takes for bytes, as bytes that may be written to.

        The reader decides whether they may: pandas makes arrays read-only that nobody must protect.
        """
        exported = PickleBuffer(bytearray(1))
        self._announced = exported, raw
        return exported

    def _view(self, view: memoryview) -> Any:
        # There is no way to make others again: a memoryview cannot be cast to them.
        if not view.nbytes or not view.c_contiguous or view.format not in FORMATS:
            return NotImplemented
        return remade_view, (self._announce(view.cast("B")), view.format, view.shape)

    def _array(self, np: Any, array: Any) -> Any:
        """Take arrays out of band, also those that numpy would pickle as a copy of their items."""
        kind = array.dtype
        if kind.hasobject or array.nbytes == 0:
            return NotImplemented
        if not array.flags.forc:
            # It has the same items, and is contiguous.
            array = np.copy(array)
        exported = self._announce(memoryview(array.ravel("K").view("u1")))
        return remade_array, (exported, short_dtype(np, kind), array.shape, array.strides, 0)


def unpacked(buffer: Any, writable: bool = False) -> Any:
    """Return the object in a buffer; its arrays and views are views of the buffer, which they hold.

    Unpickling runs code that the bytes name. Raises what this code raises, and ValueError for bytes that
    are not a packed object or were changed. Then nothing is held any more.
    """
    parts: list[memoryview] = []
    view = None
    # An exception refers to this frame, so nothing may stay in it.
    try:
        view = buffer.view if writable else buffer.view.toreadonly()
        start, end = _read(view, parts)
        return loads(view[start:end], buffers=parts)
    finally:
        del buffer, view
        parts.clear()


def _read(view: memoryview, parts: list[memoryview]) -> tuple[int, int]:
    """Add the buffers of a packed object to `parts`; return where its pickle starts and ends."""
    if len(view) < _HEADER or view[:8] != _MAGIC:
        raise ValueError("the bytes that are kept as an object are none: they were overwritten")
    _, checksum = _START.unpack_from(view)
    version, flags, n_buffers, n_pickle = _REST.unpack_from(view, _START.size)
    start = _HEADER + _RANGE.size * n_buffers
    end = start + n_pickle
    if version != _VERSION or flags:
        raise ValueError(
            f"the object has version {version}, but this pagebuddy reads version {_VERSION}; use the "
            "same pagebuddy to keep objects and to read them"
        )
    if end > len(view) or crc32(view[_START.size : end]) != checksum:
        raise ValueError("the bytes of the object were changed since it was kept; keep it again")
    for at in range(_HEADER, start, _RANGE.size):
        first, stop = _RANGE.unpack_from(view, at)
        if not end <= first <= stop <= len(view):
            raise ValueError("the bytes of the object contradict themselves; keep it again")
        parts.append(view[first:stop])
    return start, end
