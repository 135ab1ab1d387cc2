"""Finder: which buffer of an arena bytes lie in."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from pagebuddy.buffers.arrays import pages_of
from pagebuddy.sharing.joining import listing


class Finder:
    """Finds the buffers that views lie in. Made for one object that is dumped.

    Most views lead to the pages that they keep alive. Where a library hides those its address tells:
    a view in the arena keeps its buffer, so that the live buffer there is the one it was made from.
    """

    def __init__(self, a: Any) -> None:
        self._a = a
        self._base, self._n_bytes = a.extent
        self._offsets: list[int] | None = None

    def found(self, owner: Any, address: int, n_bytes: int) -> tuple[Any, int] | None:
        """Return the buffer that has these bytes, and where in it they start; None if none has.

        owner is what the bytes were exported by.
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
        """The live buffer in which a place lies. Cost: at the first call a walk through them all."""
        if self._offsets is None:
            self._offsets = [row.offset for row in listing.buffers_of(self._a)]
        index = bisect_right(self._offsets, at) - 1
        return self._a.joined(self._offsets[index]) if index >= 0 else None
