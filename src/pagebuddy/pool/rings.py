"""The rings of a pool: one with calls, one with results; and the rows where workers note what they do.

All three lie in buffers that the pool's process holds. Workers join them; there are no handles of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pagebuddy.messages.layout import RingLayout
from pagebuddy.messages.opening import channel_over, open_anonymous
from pagebuddy.messages.parcel import MOST_INLINE
from pagebuddy.sharing.words import P_WORDS, QUEUE

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.messages.channel import Channel

_LEAST_BYTES = 1 << 12
_USUAL_BYTES = 1 << 18
_BYTES_OF_A_WORKER = 1 << 15
# A short result has about this many bytes.
_USUAL_RESULT = 128
_WORD = 8


class Places(NamedTuple):
    """Where the buffers of a pool are, and a number that is stored in the rows."""

    calls: int
    results: int
    rows: int
    mark: int


class Rings:
    """The rings of a pool, at either end. `most` is how long a message in them may be."""

    def __init__(
        self, a: Attachment, calls: Channel, results: Channel, rows: Any, n_bytes: int
    ) -> None:
        self.a = a
        self.calls = calls
        self.results = results
        self.rows = rows
        self.words = rows.view.cast("Q")
        self.most = min(MOST_INLINE, n_bytes // 8)

    @classmethod
    def make(cls, a: Attachment, n_workers: int) -> Rings:
        """Make the rings of a pool. Raises `OutOfPages`."""
        n_bytes = _region(a, n_workers)
        n_slots = a.layout.n_slots
        n_results = max(n_bytes // _USUAL_RESULT, _power(4 * n_workers + 16))
        calls = open_anonymous(
            a, RingLayout(QUEUE, 0, n_slots, _power(8 * n_workers + 16), n_bytes)
        )
        results = open_anonymous(a, RingLayout(QUEUE, 0, n_slots, n_results, n_bytes))
        rows = a.alloc((1 + n_workers) * P_WORDS * _WORD, zero=True)
        rings = cls(a, calls, results, rows, n_bytes)
        rings.words[0] = int.from_bytes(os.urandom(8), "little")
        return rings

    @classmethod
    def join(cls, a: Attachment, places: Places) -> Rings | None:
        """Join the rings of a pool; None if they do not exist any more."""
        try:
            rows = a.joined(places.rows)
            if rows.nbytes < _WORD or rows.view.cast("Q")[0] != places.mark:
                return None
            calls, layout = channel_over(a, a.joined(places.calls))
            results, _ = channel_over(a, a.joined(places.results))
        except Exception:
            # The pool's process has ended.
            return None
        return cls(a, calls, results, rows, layout.n_bytes)

    @property
    def places(self) -> Places:
        """Where the buffers are."""
        calls, results = self.calls.buffer(), self.results.buffer()
        return Places(calls.offset, results.offset, self.rows.offset, self.words[0])

    def progress(self, row: int) -> Any:
        """The row of a worker."""
        return self.a.progress(self.words, 1 + row)


def _region(a: Attachment, n_workers: int) -> int:
    wanted = min(
        max(_USUAL_BYTES, _power(_BYTES_OF_A_WORKER * n_workers)), a.layout.data_bytes // 16
    )
    return 1 << (max(wanted, _LEAST_BYTES).bit_length() - 1)


def _power(n: int) -> int:
    """The least power of two that is at least n."""
    return 1 << (n - 1).bit_length()
