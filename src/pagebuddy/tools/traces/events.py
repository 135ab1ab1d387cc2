"""Events, formats and errors of traces, shared by all formats and by replaying."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagebuddy.memory.sizes import LARGEST_SIZE

MAX_ORDER = 31
MAX_PFN = 2**63 - 1
MAX_BYTES = LARGEST_SIZE

PAGE_NUMBERS = f"a whole number from 0 to {MAX_PFN}"
ORDERS = f"a whole number from 0 to {MAX_ORDER}"
SIZES = f"a whole number from 0 to {MAX_BYTES}"

UNTOLD = -1
"""The size of a free if the trace does not give one."""

NO_TIMES = np.empty(0, np.int64)


class Unit(Enum):
    """The unit of the sizes in a trace."""

    ORDERS = "orders"
    BYTES = "bytes"


class Events(NamedTuple):
    """Consecutive events of a trace, as arrays with one entry per event.

    `is_alloc` is True for an allocation, False for a free. A free belongs to the allocation with the
    same `key`: a page frame number, an address or an id. `size` is an order or bytes, as in the trace;
    it is `UNTOLD` for a free without one. `time` is in the units of the recorder's clock, -1 if
    unknown, and empty if the format has no times.

    Counted, without an entry: `failed` allocations of the recorded system, and events that the recorder
    `lost`. `assumed` of the allocations happened before the recording began.

    >>> events = Events(np.array([True, False]), np.array([7, 7], "u8"), np.array([3, 3]))
    >>> int(events.is_alloc.sum()), events.failed
    (1, 0)
    """

    is_alloc: NDArray[np.bool_]
    key: NDArray[np.uint64]
    size: NDArray[np.int64]
    failed: int = 0
    lost: int = 0
    assumed: int = 0
    time: NDArray[np.int64] = NO_TIMES


class Format(NamedTuple):
    """A text format.

    `recognise` decides by the first line whether a file has this format. If that line is a header,
    `parse` does not get it. `parse` makes events of whole lines and raises `BadLine`. `day` is the
    period of a clock that restarts at 0: a step back by more than half of it is a step forward.
    """

    name: str
    unit: Unit
    recognise: Callable[[bytes], bool]
    has_header: bool
    parse: Callable[[bytes], Events]
    day: int | None = None


class TraceError(ValueError):
    """A trace cannot be read.

    Attributes: `path`; `line`, counted from 1, or None for the whole file; `found`, the faulty content;
    `advice`, what is expected or what to do.

    >>> print(TraceError("a.csv", 3, "order is 'x'", "expected a whole number from 0 to 31"))
    a.csv, line 3: order is 'x'; expected a whole number from 0 to 31
    """

    def __init__(self, path: str, line: int | None, found: str, advice: str) -> None:
        self.path = path
        self.line = line
        self.found = found
        self.advice = advice
        super().__init__(path, line, found, advice)

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}, line {self.line}"
        return f"{where}: {self.found}; {self.advice}"


class BadLine(Exception):
    """A line that a format cannot parse; `index` counts lines from 0."""

    def __init__(self, index: int, found: str, advice: str) -> None:
        self.index = index
        self.found = found
        self.advice = advice
        super().__init__(index, found, advice)


def quote(text: bytes, limit: int = 60) -> str:
    """Quote text of a trace for an error message: printable, one line, shortened to the limit.

    >>> print(quote(b"alloc,1\\x00"), quote(b"\\xff" * 100, 3))
    'alloc,1\\x00' '\\xff\\xff\\xff' and 97 bytes more
    """
    short = text[:limit]
    try:
        quoted = repr(short.decode())
    except UnicodeDecodeError:
        quoted = repr(short).removeprefix("b")
    return quoted if len(text) <= limit else f"{quoted} and {len(text) - limit} bytes more"
