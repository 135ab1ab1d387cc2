"""What a trace holds: allocations and frees, in the order they happened."""

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
"""The size of a free that tells none."""

NO_TIMES = np.empty(0, np.int64)


class Unit(Enum):
    """What the sizes in a trace are."""

    ORDERS = "orders"
    BYTES = "bytes"


class Events(NamedTuple):
    """A stretch of a trace as arrays of one length, an entry an event.

    `is_alloc` is True for an allocation, False for a free. `key` tells which free belongs to which
    allocation: the number of the first page frame, an address or an id. `size` is in the unit of
    the trace, order or bytes; a free may have `UNTOLD`. `time` has when each event happened, as
    whole numbers in order, or no entry at all where the trace does not tell.

    Without an entry, only counted: allocations of the recorded system that `failed`, and events
    that its recorder `lost`. `assumed` of the allocations were not recorded, but had to be before.

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
    """A format of lines of text.

    Its `name`, for people; the `unit` of its sizes; whether it is the format of a file with this
    first line; whether that line is a header, which `parse` is not given; and `parse`, which makes
    events of whole lines and raises `BadLine`. A clock that tells `day` units of time and starts
    again at 0 has gone on, not back, where it falls by more than half of that.
    """

    name: str
    unit: Unit
    recognise: Callable[[bytes], bool]
    has_header: bool
    parse: Callable[[bytes], Events]
    day: int | None = None


class TraceError(ValueError):
    """A trace that cannot be read.

    Attributes: `path`; `line`, counted from 1, or None where no line is to blame; `found`, what was
    there; `advice`, what is allowed or what to do.

    >>> print(TraceError("a.csv", 3, "order is 'x'", "allowed is a whole number from 0 to 31"))
    a.csv, line 3: order is 'x'; allowed is a whole number from 0 to 31
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
    """Raised by a format: which line of its text is wrong, counted from 0, and how."""

    def __init__(self, index: int, found: str, advice: str) -> None:
        self.index = index
        self.found = found
        self.advice = advice
        super().__init__(index, found, advice)


def quote(text: bytes, limit: int = 60) -> str:
    """Text of a trace for an error message: one line, nothing unprintable, not too long.

    >>> print(quote(b"alloc,1\\x00"), quote(b"\\xff" * 100, 3))
    'alloc,1\\x00' '\\xff\\xff\\xff' and 97 bytes more
    """
    short = text[:limit]
    try:
        quoted = repr(short.decode())
    except UnicodeDecodeError:
        quoted = repr(short).removeprefix("b")
    return quoted if len(text) <= limit else f"{quoted} and {len(text) - limit} bytes more"
