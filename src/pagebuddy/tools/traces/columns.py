"""Parses CSV with numpy, a column of many lines at a time. Used by the CSV formats and `rmm_log`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COMMA, NEWLINE, HASH = b",\n#"

# A valid field has at most 19 digits. The margin lets code read past the end of the text.
MAX_DIGITS = 19
_HEX_DIGITS = 16
_MARGIN = bytes(32)

# The value of each byte as a digit; 255 if it is not a digit.
_DIGITS = np.full(256, 255, np.uint8)
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _DIGITS[np.frombuffer(_digits, np.uint8)] = np.arange(16)


class Columns:
    """Lines of text with a fixed number of fields; each field is an array with one entry per line.

    Empty lines and lines that start with `#` are left out. `good` marks the lines with the right
    number of fields; the fields of other lines are meaningless. Takes 0.1 µs per line or more.

    >>> lines = Columns(b"alloc,7,0\\n\\nfree,0x1f\\n", 3)
    >>> lines.good.tolist(), lines.equals(0, b"alloc").tolist()
    ([True, False], [True, False])
    """

    def __init__(self, text: bytes, n_fields: int) -> None:
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        self._text = text
        self._chars = chars = np.frombuffer(text + _MARGIN, np.uint8)
        ends = np.flatnonzero(chars == NEWLINE)
        starts = np.concatenate((np.zeros(min(1, ends.size), ends.dtype), ends[:-1] + 1))
        self._lines = np.flatnonzero((starts < ends) & (chars[starts] != HASH))
        starts, ends = starts[self._lines], ends[self._lines]
        commas = np.flatnonzero(chars == COMMA)
        first = np.searchsorted(commas, starts)
        self.good: NDArray[np.bool_] = np.searchsorted(commas, ends) - first == n_fields - 1
        # For a line with the wrong number of commas, any comma will do: `good` excludes it.
        at = np.append(commas, np.zeros(n_fields, commas.dtype))
        first = np.where(self.good, first, 0)
        cuts = [at[first + i] for i in range(n_fields - 1)]
        self._bounds = list(zip([starts, *(cut + 1 for cut in cuts)], [*cuts, ends], strict=True))

    def first_not(self, good: NDArray[np.bool_]) -> tuple[int, bytes] | None:
        """The index (among all lines) and the text of the first line that is not good."""
        if good.all():
            return None
        worst = int(np.argmin(good))
        start, end = int(self._bounds[0][0][worst]), int(self._bounds[-1][1][worst])
        return int(self._lines[worst]), self._text[start:end]

    def equals(self, field: int, word: bytes) -> NDArray[np.bool_]:
        """Whether this field is this word, for each line."""
        starts, ends = self._bounds[field]
        same: NDArray[np.bool_] = ends - starts == len(word)
        for i, char in enumerate(word):
            same &= self._chars[starts + i] == char
        return same

    def decimal(self, field: int, limit: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """The decimal numbers in a field, and which are valid: at most limit, which is below 2^63."""
        starts, ends = self._bounds[field]
        values, good = self._number(starts, ends - starts, 10, MAX_DIGITS)
        return values, good & (values <= limit)

    def hexadecimal(self, field: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """The hexadecimal numbers in a field, up to 16 digits, 0x optional; and which are valid."""
        starts, ends = self._bounds[field]
        skip = np.where(self._prefixed(field), 2, 0)
        return self._number(starts + skip, ends - starts - skip, 16, _HEX_DIGITS)

    def number(self, field: int, limit: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """The numbers in a field, decimal up to limit or hexadecimal after 0x; and which are valid."""
        values, good = self.decimal(field, limit)
        prefixed = self._prefixed(field)
        if prefixed.any():
            others, others_good = self.hexadecimal(field)
            values = np.where(prefixed, others, values)
            good = np.where(prefixed, others_good, good)
        return values, good

    def time_of_day(self, field: int) -> NDArray[np.int64]:
        """Microseconds since midnight, from HH:MM:SS.ffffff; -1 for any other form."""
        starts, ends = self._bounds[field]
        good = ends - starts == len("HH:MM:SS.ffffff")
        for at, char in ((2, b":"), (5, b":"), (8, b".")):
            good &= self._chars[starts + at] == ord(char)
        total = np.zeros(starts.size, np.uint64)
        for at, n, worth in ((0, 2, 3600_000_000), (3, 2, 60_000_000), (6, 2, 10**6), (9, 6, 1)):
            part, part_good = self._number(starts + at, np.full(starts.size, n), 10, n)
            total += part * np.uint64(worth)
            good &= part_good
        return np.where(good, total.astype(np.int64), -1)

    def _prefixed(self, field: int) -> NDArray[np.bool_]:
        starts, ends = self._bounds[field]
        zero_x = (self._chars[starts] == ord("0")) & (self._chars[starts + 1] == ord("x"))
        prefixed: NDArray[np.bool_] = zero_x & (ends - starts > 2)
        return prefixed

    def _number(
        self, starts: NDArray[np.intp], lengths: NDArray[np.intp], base: int, most: int
    ) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        good = (lengths > 0) & (lengths <= most)
        values = np.zeros(starts.size, np.uint64)
        for i in range(int(lengths[good].max(initial=0))):
            inside = good & (i < lengths)
            digits = _DIGITS[self._chars[np.where(inside, starts + i, 0)]]
            good &= ~inside | (digits < base)
            np.add(values * np.uint64(base), digits, out=values, where=inside)
        return values, good
