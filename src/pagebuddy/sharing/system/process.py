"""What a process tells of itself, for people: nothing is decided by it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from pagebuddy.sharing.words import (
    SLOT_NAME,
    SLOT_NAME_WORDS,
    SLOT_NAMESPACE,
    SLOT_PID,
    SLOT_START,
)


def pid_namespace() -> tuple[int, int]:
    """Return the device and the inode of this process's pid namespace; zeros where there are none."""
    try:
        status = os.stat("/proc/self/ns/pid")
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def start_time() -> int:
    """Return when this process started, in ticks since the machine did; 0 where nothing tells."""
    try:
        line = Path("/proc/self/stat").read_bytes()
    except OSError:
        return 0
    # The second field is the command in parentheses, and may have any bytes in it.
    return int(line.rpartition(b")")[2].split()[19])


def own_name() -> str:
    """Return what this process runs: the last part of its script's path, or of its interpreter's."""
    return os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else sys.executable)


def describe(slot: memoryview) -> None:
    """Store in a slot's words what people want to know of this process."""
    slot[SLOT_PID] = os.getpid()
    slot[SLOT_START] = start_time()
    slot[SLOT_NAMESPACE] = pid_namespace()[1]
    n_bytes = SLOT_NAME_WORDS * 8
    name = own_name().encode("utf-8", "replace")[:n_bytes].ljust(n_bytes, b"\0")
    slot[SLOT_NAME : SLOT_NAME + SLOT_NAME_WORDS] = memoryview(name).cast("Q")


def name_in(slot: memoryview) -> str:
    """Return the name that a slot's words tell; what no terminal should be told is replaced."""
    text: bytes = slot[SLOT_NAME : SLOT_NAME + SLOT_NAME_WORDS].tobytes()
    name = text.rstrip(b"\0").decode("utf-8", "replace")
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )


def now() -> int:
    """Return the time in ms that tickets tell: CLOCK_MONOTONIC's, the same in every process."""
    return time.monotonic_ns() // 1_000_000
