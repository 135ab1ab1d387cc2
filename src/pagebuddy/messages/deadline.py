"""Deadlines: until when a call waits, and how long one sleep of it lasts."""

from __future__ import annotations

import time

from pagebuddy.sharing.joining import failures
from pagebuddy.sharing.words import SLICE_MS


def deadline(block: bool, timeout: float | None) -> float | None:
    """Return the end of a wait, as `time.monotonic` counts; None for no limit, 0 not to wait at all."""
    if block and timeout is None:
        return None
    seconds = failures.seconds(timeout)
    if not block:
        return 0.0
    return None if seconds is None else time.monotonic() + seconds


def is_over(end: float | None) -> bool:
    """Whether a deadline has passed."""
    return end is not None and end <= time.monotonic()


def sleep_ms(end: float | None, most: int = SLICE_MS) -> int:
    """Return how many ms to sleep at most before looking again."""
    if end is None:
        return most
    return min(max(int((end - time.monotonic()) * 1000) + 1, 1), most)
