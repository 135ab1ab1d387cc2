"""The layout of a ring: where its parts lie, and its header, written once and checked by everybody."""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from pagebuddy.sharing.words import (
    CELL_WORDS,
    R_BYTES,
    R_CELLS,
    R_CHECKSUM,
    R_CLOSED,
    R_CREATED,
    R_HEAD,
    R_KIND,
    R_LIMIT,
    R_MAGIC,
    R_NEXT,
    R_PENDING,
    R_READY,
    R_ROWS,
    R_TAIL,
    RING_MAGIC,
    RING_WORDS,
    ROW_NEXT,
    ROW_WORDS,
    TOPIC_BLOCK,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

WORD = 8
_ALL_ONES = (1 << 64) - 1
_MOST_CELLS = 1 << 24
_MOST_BYTES = 1 << 40
_MOST_ROWS = 1 << 12
_GUARDED = R_HEAD, R_TAIL, R_READY, R_PENDING, R_NEXT, R_CLOSED


def rows_at() -> int:
    """The word of a ring where its rows start."""
    return RING_WORDS


def cells_at(n_rows: int) -> int:
    """The word where its cells start."""
    return rows_at() + n_rows * ROW_WORDS


def region_at(n_rows: int, n_cells: int) -> int:
    """The word where the bytes of its messages start."""
    return cells_at(n_rows) + n_cells * CELL_WORDS


class RingLayout(NamedTuple):
    """The fixed numbers of a ring. `limit` is `maxsize` or `history`, 0 for none."""

    kind: int
    limit: int
    n_rows: int
    n_cells: int
    n_bytes: int
    created_ms: int = 0

    @property
    def size(self) -> int:
        """The size of the ring in bytes."""
        return region_at(self.n_rows, self.n_cells) * WORD + self.n_bytes

    def write(self, words: memoryview) -> None:
        """Write the header and the rows of a ring whose words are zero."""
        for at in _GUARDED:
            words[at + 1] = _ALL_ONES
        for row in range(self.n_rows):
            words[rows_at() + row * ROW_WORDS + ROW_NEXT + 1] = _ALL_ONES
        words[R_KIND] = self.kind
        words[R_CELLS] = self.n_cells
        words[R_BYTES] = self.n_bytes
        words[R_LIMIT] = self.limit
        words[R_ROWS] = self.n_rows
        words[R_CREATED] = time.time_ns() // 1_000_000
        words[R_MAGIC] = RING_MAGIC
        words[R_CHECKSUM] = _checksum(words)

    @classmethod
    def read(cls, words: Sequence[int], n_bytes: int | None = None) -> RingLayout | None:
        """Return the layout that a header describes; None if it is no ring that fits into its buffer.

        The buffer has so many bytes, by default those of the words.
        """
        if (
            len(words) < RING_WORDS
            or words[R_MAGIC] != RING_MAGIC
            or words[R_CHECKSUM] != _checksum(words)
        ):
            return None
        layout = cls(
            words[R_KIND],
            words[R_LIMIT],
            words[R_ROWS],
            words[R_CELLS],
            words[R_BYTES],
            words[R_CREATED],
        )
        sound = (
            1 <= layout.kind <= TOPIC_BLOCK
            and layout.n_rows <= _MOST_ROWS
            and layout.n_cells.bit_count() == 1
            and 2 <= layout.n_cells <= _MOST_CELLS
            and layout.n_bytes.bit_count() == 1
            and layout.n_bytes <= _MOST_BYTES
            and layout.size <= (len(words) * WORD if n_bytes is None else n_bytes)
        )
        return layout if sound else None


def _checksum(words: Sequence[int]) -> int:
    return crc32(array("Q", words[:R_CHECKSUM]).tobytes())
