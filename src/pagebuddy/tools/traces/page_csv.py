"""Page traces as CSV: a header `event,pfn,order`, then lines such as `alloc,2005299,0`.

`event` is `alloc` or `free`; the page frame number and the order are decimal. Empty lines and lines
that start with `#` are skipped, except a recorder's notes. Used by `trace`.
"""

from __future__ import annotations

import numpy as np

from pagebuddy.tools.traces.columns import MAX_DIGITS, Columns
from pagebuddy.tools.traces.events import (
    MAX_ORDER,
    MAX_PFN,
    ORDERS,
    PAGE_NUMBERS,
    BadLine,
    Events,
    Format,
    Unit,
    quote,
)
from pagebuddy.tools.traces.recorder_notes import noted

HEADER = b"event,pfn,order"


def parse(text: bytes) -> Events:
    """Parse whole lines of CSV without the header. Takes about 0.1 µs per line.

    Raises `BadLine` for the first line that is not an event.

    >>> events = parse(b"alloc,256,0\\nfree,256,0\\n")
    >>> events.is_alloc.tolist(), events.key.tolist()
    ([True, False], [256, 256])
    """
    lines = Columns(text, 3)
    is_alloc = lines.equals(0, b"alloc")
    pfn, pfn_good = lines.decimal(1, MAX_PFN)
    order, order_good = lines.decimal(2, MAX_ORDER)
    is_event = is_alloc | lines.equals(0, b"free")
    if wrong := lines.first_not(lines.good & is_event & pfn_good & order_good):
        raise _explain(*wrong)
    return Events(is_alloc, pfn, order.astype(np.int64), *noted(text))


def _explain(index: int, line: bytes) -> BadLine:
    fields = line.split(b",")
    if len(fields) != 3:
        return BadLine(index, f"found {quote(line)}", f"expected {HEADER.decode()}")
    event, pfn, order = fields
    if event not in (b"alloc", b"free"):
        return BadLine(index, f"event is {quote(event)}", "expected alloc or free")
    if not (pfn.isdigit() and len(pfn) <= MAX_DIGITS and int(pfn) <= MAX_PFN):
        return BadLine(index, f"pfn is {quote(pfn)}", f"expected {PAGE_NUMBERS}")
    return BadLine(index, f"order is {quote(order)}", f"expected {ORDERS}")


FORMAT = Format("page CSV", Unit.ORDERS, HEADER.__eq__, True, parse)
