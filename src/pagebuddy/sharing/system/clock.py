"""The clock of tickets, uncompiled. Compiled, `system.pxi` has the same function in C."""

from __future__ import annotations

import time


def clock_ms() -> int:
    """Return the time in ms, by CLOCK_MONOTONIC, which is the same in every process."""
    return time.monotonic_ns() // 1_000_000
