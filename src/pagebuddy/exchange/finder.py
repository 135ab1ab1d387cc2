"""Finder: finds the buffer of an arena in which bytes lie."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pagebuddy.buffers.arrays import pages_of
from pagebuddy.errors import BadFree
from pagebuddy.sharing.joining import listing

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment


class Finder:
    """Finds the buffers in which views lie. Made for one object that is serialized.

    Most views refer to the pages that they keep alive. If a library hides this reference, the address is
    used: a view in the arena keeps its buffer alive, so the live buffer at its address is the right one.
    """

    def __init__(self, a: Attachment) -> None:
        self._a = a
        self._base, self._n_bytes = a.extent
        self._offsets: list[int] | None = None

    def found(self, owner: Any, address: int, n_bytes: int) -> tuple[Any, int] | None:
        """Return the buffer that contains these bytes, and their offset in it; None if there is none.

        `owner` is the object that exported the bytes.
        """
        at = address - self._base
        if not 0 <= at < self._n_bytes:
            return None
        buffer = self._a.buffer_over(pages_of(owner))
        if buffer is None:
            buffer = self._at(at)
        if buffer is None:
            return None
        start = at - buffer.offset
        if start < 0 or start + n_bytes > buffer.capacity:
            return None
        return buffer, start

    def _at(self, at: int) -> Any:
        """Return the live buffer at an offset. If it begins before, the first call walks through all."""
        with suppress(BadFree):
            return self._a.joined(at - at % self._a.layout.page_size)
        if self._offsets is None:
            self._offsets = listing.offsets_of(self._a)
        index = bisect_right(self._offsets, at) - 1
        return self._a.joined(self._offsets[index]) if index >= 0 else None
