"""Page traces as CSV: a header `event,pfn,order`, then lines such as `alloc,2005299,0`.

`event` is `alloc` or `free`; the other two are decimal. Empty lines and lines that start with `#`
are skipped, but for a recorder's notes. A whole stretch of text is read at once, by columns of
numpy arrays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagebuddy.tools.events import MAX_ORDER, MAX_PFN, ORDERS, PAGE_NUMBERS, BadLine, Events, quote
from pagebuddy.tools.recorder_notes import noted

HEADER = b"event,pfn,order"
COMMA, NEWLINE, HASH = b",\n#"

# The longest field that can be right has 19 digits. Read this far behind any place without a bound.
MAX_DIGITS = 19
MARGIN = bytes(32)


def parse(text: bytes) -> Events:
    """The events in whole lines of CSV, without the header.

    `BadLine` names the first line that is not an event. About 0.1 µs a line.

    >>> events = parse(b"alloc,256,0\\nfree,256,0\\n")
    >>> events.is_alloc.tolist(), events.pfn.tolist()
    ([True, False], [256, 256])
    """
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    chars = np.frombuffer(text + MARGIN, np.uint8)
    ends = np.flatnonzero(chars == NEWLINE)
    starts = np.concatenate((np.zeros(min(1, ends.size), ends.dtype), ends[:-1] + 1))
    kept = np.flatnonzero((starts < ends) & (chars[starts] != HASH))
    starts, ends = starts[kept], ends[kept]

    commas = np.flatnonzero(chars == COMMA)
    first = np.searchsorted(commas, starts)
    good = np.searchsorted(commas, ends) - first == 2
    # Where a line has other than two commas, any two will do: it is reported below.
    at = np.append(commas, (0, 0))
    one, two = at[np.where(good, first, 0)], at[np.where(good, first + 1, 0)]

    is_alloc = _equals(chars, starts, one, b"alloc")
    pfn, pfn_good = _decimal(chars, one + 1, two, MAX_PFN)
    order, order_good = _decimal(chars, two + 1, ends, MAX_ORDER)
    good &= (is_alloc | _equals(chars, starts, one, b"free")) & pfn_good & order_good
    if not good.all():
        worst = int(np.argmin(good))
        raise _explain(int(kept[worst]), text[int(starts[worst]) : int(ends[worst])])
    return Events(is_alloc, pfn, order.astype(np.uint8), *noted(text))


def _equals(
    chars: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp], word: bytes
) -> NDArray[np.bool_]:
    """Which of the fields from `starts` to `ends` are this word."""
    same: NDArray[np.bool_] = ends - starts == len(word)
    for i, char in enumerate(word):
        same &= chars[starts + i] == char
    return same


def _decimal(
    chars: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp], limit: int
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """The numbers in the fields from `starts` to `ends`, and which are numbers up to limit."""
    lengths = ends - starts
    good = (lengths > 0) & (lengths <= MAX_DIGITS)
    values = np.zeros(starts.size, np.uint64)
    for i in range(int(lengths[good].max(initial=0))):
        inside = good & (i < lengths)
        digits = chars[np.where(inside, starts + i, 0)] - np.uint8(ord("0"))
        good &= ~inside | (digits <= 9)
        np.add(values * np.uint64(10), digits, out=values, where=inside)
    good &= values <= limit
    return values, good


def _explain(index: int, line: bytes) -> BadLine:
    fields = line.split(b",")
    if len(fields) != 3:
        return BadLine(index, f"found {quote(line)}", f"each line is {HEADER.decode()}")
    event, pfn, order = fields
    if event not in (b"alloc", b"free"):
        return BadLine(index, f"event is {quote(event)}", "allowed are alloc and free")
    if not (pfn.isdigit() and len(pfn) <= MAX_DIGITS and int(pfn) <= MAX_PFN):
        return BadLine(index, f"pfn is {quote(pfn)}", f"allowed is {PAGE_NUMBERS}")
    return BadLine(index, f"order is {quote(order)}", f"allowed is {ORDERS}")
