"""Page traces of the Linux kernel: ftrace text, and the output of `trace-cmd report`. Used by `trace`.

Only `mm_page_alloc` and `mm_page_free` are read, and only their page frame number, order and time;
the time only serves to check the order of lines. `mm_page_free_batched` is skipped, because the kernel
also reports these frees as `mm_page_free`.
"""

from __future__ import annotations

import re

import numpy as np

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

# A time stamp ends with a digit and a colon; the process name before it may contain any text.
_EVENT = re.compile(rb"\d: +(?:kmem:)?mm_page_(alloc|free): +([^\n]*)")
_LONGEST_TIME = 19  # with its colon; anything longer is not a 64-bit number
_TIME = re.compile(rb"(\d+)\.?(\d*):")
_FIELDS = re.compile(rb"page=(\S+) +pfn=(\S+) +order=(\S+)")
_LOST = re.compile(rb"LOST (\d+) EVENTS")
# Comments, the first lines of trace-cmd, a task and its processor, any event with its time.
_LINE = re.compile(
    rb"#|cpus=\d|version = \d|CPU:\d+ \[LOST|.*\S-\d+ .*\[\d+\]|.*\[\d+\].* \d+\.\d+: +\w"
)

# "No page", depending on the kernel's version: number 0, number -1 (unsigned), or page "(null)".
_NO_PFN = (0, 2**64 - 1)
_NO_PAGE = b"(null)"


def recognise(line: bytes) -> bool:
    """Whether the first line of a file looks like ftrace.

    >>> recognise(b"# tracer: nop"), recognise(b"op,id,bytes")
    (True, False)
    """
    return _LINE.match(line) is not None


def parse(text: bytes) -> Events:
    """Parse whole lines of ftrace text; skip other events. Takes about 1.5 µs per line.

    An allocation without a page frame number failed in the kernel and counts in `failed`. (The page's
    address does not tell: most recordings hide it.) Raises `BadLine` for the first event without a valid
    page frame number and order.

    >>> events = parse(b"sh-7 [000] .... 1.5: mm_page_free: page=0 pfn=0x1f order=2\\n")
    >>> events.is_alloc.tolist(), events.key.tolist(), events.size.tolist()
    ([False], [31], [2])
    """
    is_alloc: list[bool] = []
    pfns: list[int] = []
    orders: list[int] = []
    times: list[int] = []
    failed = 0
    for event in _EVENT.finditer(text):
        kind, rest = event.groups()
        fields = _FIELDS.match(rest)
        if fields is None:
            raise _bad(text, event, f"found {quote(rest)}", "expected page=, pfn= and order=")
        page, pfn_text, order_text = fields.groups()
        pfn, order = _number(pfn_text), _number(order_text)
        if order is None or order > MAX_ORDER:
            raise _bad(text, event, f"order is {quote(order_text)}", f"expected {ORDERS}")
        if kind == b"alloc" and (pfn in _NO_PFN or page == _NO_PAGE):
            failed += 1
            continue
        if pfn is None or pfn > MAX_PFN:
            raise _bad(text, event, f"pfn is {quote(pfn_text)}", f"expected {PAGE_NUMBERS}")
        is_alloc.append(kind == b"alloc")
        pfns.append(pfn)
        orders.append(order)
        times.append(_time(text, event))
    lost = sum(int(count) for count in _LOST.findall(text))
    return Events(
        np.array(is_alloc, np.bool_),
        np.array(pfns, np.uint64),
        np.array(orders, np.int64),
        failed,
        lost,
        time=np.array(times, np.int64),
    )


def _number(text: bytes) -> int | None:
    """A number as the kernel prints it, hexadecimal after 0x or decimal; None for other text."""
    digits = text[2:] if text[:2] == b"0x" else text
    if not digits.isalnum():
        return None
    try:
        return int(digits, 16 if digits is not text else 10)
    except ValueError:
        return None


def _time(text: bytes, event: re.Match[bytes]) -> int:
    """The time of an event, in the units of its clock; -1 if there is none."""
    end = event.start() + 2
    start = text.rfind(b" ", max(end - _LONGEST_TIME, 0), end) + 1
    stamp = _TIME.fullmatch(text, start, end)
    return int(stamp[1] + stamp[2]) if stamp else -1


def _bad(text: bytes, event: re.Match[bytes], found: str, advice: str) -> BadLine:
    return BadLine(text.count(b"\n", 0, event.start()), found, advice)


FORMAT = Format("ftrace text", Unit.ORDERS, recognise, False, parse)
