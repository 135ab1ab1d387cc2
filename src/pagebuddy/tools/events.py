"""What a trace holds: page allocations and frees, in the order they happened."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_ORDER = 31
MAX_PFN = 2**63 - 1

PAGE_NUMBERS = f"a whole number from 0 to {MAX_PFN}"
ORDERS = f"a whole number from 0 to {MAX_ORDER}"


class Events(NamedTuple):
    """A stretch of a trace as three arrays of one length, an entry an event.

    `is_alloc` is True for an allocation, False for a free; `pfn` is the page frame number
    recorded, of the first page; `order` is log2 of the pages. `failed` allocations of the
    recorded system and events that its recorder `lost` have no entry and are only counted.

    >>> events = Events(np.array([True, False]), np.array([7, 7], "u8"), np.array([3, 3], "u1"))
    >>> int(events.is_alloc.sum()), events.failed
    (1, 0)
    """

    is_alloc: NDArray[np.bool_]
    pfn: NDArray[np.uint64]
    order: NDArray[np.uint8]
    failed: int = 0
    lost: int = 0


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
