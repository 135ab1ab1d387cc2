"""Allocations of bytes as CSV: a header `op,id,bytes`, then lines such as `alloc,17,1500`.

`op` is `alloc` or `free`. `id` is a number that no other live allocation has, such as an address:
decimal, or hexadecimal after 0x. `bytes` is decimal; a free may leave it empty. Empty lines and
lines that start with `#` are skipped, except a recorder's notes. Used by `trace`.
"""

from __future__ import annotations

import re

import numpy as np

from pagebuddy.arena.recording import HEADER as HEADER
from pagebuddy.tools.traces.columns import Columns
from pagebuddy.tools.traces.events import (
    MAX_BYTES,
    MAX_PFN,
    PAGE_NUMBERS,
    SIZES,
    UNTOLD,
    BadLine,
    Events,
    Format,
    Unit,
    quote,
)
from pagebuddy.tools.traces.recorder_notes import noted

_HEXADECIMAL = re.compile(rb"0x[0-9a-fA-F]{1,16}")
_DECIMAL = re.compile(rb"\d{1,19}")


def parse(text: bytes) -> Events:
    """Parse whole lines of CSV without the header. Takes about 0.2 µs per line.

    Raises `BadLine` for the first line that is not an event.

    >>> events = parse(b"alloc,0x1f,1500\\nfree,31,\\n")
    >>> events.key.tolist(), events.size.tolist()
    ([31, 31], [1500, -1])
    """
    lines = Columns(text, 3)
    is_alloc, is_free = lines.equals(0, b"alloc"), lines.equals(0, b"free")
    key, key_good = lines.number(1, MAX_PFN)
    size, size_good = lines.decimal(2, MAX_BYTES)
    untold = is_free & lines.equals(2, b"")
    good = lines.good & (is_alloc | is_free) & key_good & (size_good | untold)
    if wrong := lines.first_not(good):
        raise _explain(*wrong)
    return Events(is_alloc, key, np.where(untold, UNTOLD, size.astype(np.int64)), *noted(text))


def _explain(index: int, line: bytes) -> BadLine:
    fields = line.split(b",")
    if len(fields) != 3:
        return BadLine(index, f"found {quote(line)}", f"expected {HEADER.decode()}")
    op, key, size = fields
    if op not in (b"alloc", b"free"):
        return BadLine(index, f"op is {quote(op)}", "expected alloc or free")
    decimal = _DECIMAL.fullmatch(key) and int(key) <= MAX_PFN
    if not (decimal or _HEXADECIMAL.fullmatch(key)):
        allowed = f"{PAGE_NUMBERS}, or 0x and at most 16 hexadecimal digits"
        return BadLine(index, f"id is {quote(key)}", f"expected {allowed}")
    allowed = f"{SIZES}{', or nothing' if op == b'free' else ''}"
    return BadLine(index, f"bytes is {quote(size)}", f"expected {allowed}")


FORMAT = Format("byte CSV", Unit.BYTES, HEADER.__eq__, True, parse)
