"""Page traces as the kernel writes them: ftrace text, and what `trace-cmd report` makes of it.

Of all events only `mm_page_alloc` and `mm_page_free` are read, and of those the page frame number,
the order, and the time, which only tells whether lines are in order. `mm_page_free_batched` is
skipped: the kernel reports the same free as `mm_page_free` too.
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

# The time stamp ends with a digit and a colon: a process's name, which comes before, may hold
# anything else.
_EVENT = re.compile(rb"\d: +(?:kmem:)?mm_page_(alloc|free): +([^\n]*)")
_LONGEST_TIME = 19  # with its colon: what is longer is no time, and no 64-bit number
_TIME = re.compile(rb"(\d+)\.?(\d*):")
_FIELDS = re.compile(rb"page=(\S+) +pfn=(\S+) +order=(\S+)")
_LOST = re.compile(rb"LOST (\d+) EVENTS")
# Comments and what trace-cmd starts with, a task and its processor, any event with its time.
_LINE = re.compile(
    rb"#|cpus=\d|version = \d|CPU:\d+ \[LOST|.*\S-\d+ .*\[\d+\]|.*\[\d+\].* \d+\.\d+: +\w"
)

# How the kernel writes "no page", by age: 0 for page and number alike, or -1 as an unsigned number.
_NO_PFN = (0, 2**64 - 1)
_NO_PAGE = b"(null)"


def recognise(line: bytes) -> bool:
    """Does the first line of a file look like ftrace's?

    >>> recognise(b"# tracer: nop"), recognise(b"op,id,bytes")
    (True, False)
    """
    return _LINE.match(line) is not None


def parse(text: bytes) -> Events:
    """The events in whole lines of ftrace text; other lines are skipped.

    An allocation that the kernel could not serve has no page; it is counted in `failed`. Whether
    it has one is read from the page frame number: the page's address is hidden, all zeros, in
    most recordings. `BadLine` names the first event without a sound page frame number and order.
    About 1.5 µs a line.

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
            raise _bad(text, event, f"found {quote(rest)}", "an event has page=, pfn= and order=")
        page, pfn_text, order_text = fields.groups()
        pfn, order = _number(pfn_text), _number(order_text)
        if order is None or order > MAX_ORDER:
            raise _bad(text, event, f"order is {quote(order_text)}", f"allowed is {ORDERS}")
        if kind == b"alloc" and (pfn in _NO_PFN or page == _NO_PAGE):
            failed += 1
            continue
        if pfn is None or pfn > MAX_PFN:
            raise _bad(text, event, f"pfn is {quote(pfn_text)}", f"allowed is {PAGE_NUMBERS}")
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
    """A number as the kernel prints it, 0x… or decimal; None for anything else."""
    digits = text[2:] if text[:2] == b"0x" else text
    if not digits.isalnum():
        return None
    try:
        return int(digits, 16 if digits is not text else 10)
    except ValueError:
        return None


def _time(text: bytes, event: re.Match[bytes]) -> int:
    """When an event happened, in the units of its clock; -1 where that is no number of theirs."""
    end = event.start() + 2
    start = text.rfind(b" ", max(end - _LONGEST_TIME, 0), end) + 1
    stamp = _TIME.fullmatch(text, start, end)
    return int(stamp[1] + stamp[2]) if stamp else -1


def _bad(text: bytes, event: re.Match[bytes], found: str, advice: str) -> BadLine:
    return BadLine(text.count(b"\n", 0, event.start()), found, advice)


FORMAT = Format("ftrace text", Unit.ORDERS, recognise, False, parse)
