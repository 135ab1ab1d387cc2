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

# The words before the rows: the mark, a magic number, and figures for `pagebuddy stat`.
_MARK = 0
_MAGIC = 1
_FIGURES = 2
_POOL_MAGIC = int.from_bytes(b"pb-pool1", "little")
HEADER_BYTES = P_WORDS * _WORD


class Figures(NamedTuple):
    """What a pool's process says of it, ten times a second while there are calls."""

    pid: int
    workers: int
    waiting: int
    sent: int
    done: int


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
        rings.words[_MARK] = int.from_bytes(os.urandom(8), "little")
        rings.words[_MAGIC] = _POOL_MAGIC
        return rings

    @classmethod
    def join(cls, a: Attachment, places: Places) -> Rings | None:
        """Join the rings of a pool; None if they do not exist any more."""
        try:
            rows = a.joined(places.rows)
            if rows.nbytes < _WORD or rows.view.cast("Q")[_MARK] != places.mark:
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
        return Places(calls.offset, results.offset, self.rows.offset, self.words[_MARK])

    def progress(self, row: int) -> Any:
        """The row of a worker."""
        return self.a.progress(self.words, 1 + row)

    def retire(self) -> None:
        """Let nobody take these for the rings of a pool any more."""
        self.words[_MARK] = self.words[_MAGIC] = 0

    def note(self, figures: Figures) -> None:
        """Store figures for other processes."""
        for i, number in enumerate(figures):
            self.words[_FIGURES + i] = number


def figures_in(data: bytes) -> Figures | None:
    """The figures in the first bytes of a buffer; None if it is none of a pool."""
    words = memoryview(data[:HEADER_BYTES]).cast("Q") if len(data) >= HEADER_BYTES else ()
    if not words or words[_MAGIC] != _POOL_MAGIC:
        return None
    return Figures(*words[_FIGURES : _FIGURES + len(Figures._fields)])


def _region(a: Attachment, n_workers: int) -> int:
    wanted = min(
        max(_USUAL_BYTES, _power(_BYTES_OF_A_WORKER * n_workers)), a.layout.data_bytes // 16
    )
    return 1 << (max(wanted, _LEAST_BYTES).bit_length() - 1)


def _power(n: int) -> int:
    """The least power of two that is at least n."""
    return 1 << (n - 1).bit_length()
