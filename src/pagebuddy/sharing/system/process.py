"""What a process writes about itself into its slot, for people: the protocol decides nothing by it."""

from __future__ import annotations

import os
import sys
import time
from array import array
from collections.abc import Iterable

from pagebuddy.sharing.words import (
    SLOT_NAME,
    SLOT_NAME_WORDS,
    SLOT_NAMESPACE,
    SLOT_PID,
    SLOT_START,
)


def pid_namespace() -> tuple[int, int]:
    """Return the device and the inode of this process's pid namespace; zeros if it cannot be read."""
    try:
        status = os.stat("/proc/self/ns/pid")
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def start_time() -> int:
    """Return when this process started, in clock ticks since the machine started; 0 if unknown."""
    try:
        with open("/proc/self/stat", "rb") as file:
            line = file.read()
    except OSError:
        return 0
    # The second field is the command in parentheses, which can contain any bytes.
    return int(line.rpartition(b")")[2].split()[19])


def own_name() -> str:
    """Return the last part of the path of this process's script, or of its interpreter."""
    return os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else sys.executable)


def describe(slot: memoryview) -> None:
    """Store this process's id, start time, namespace and name in its slot."""
    slot[SLOT_PID] = os.getpid()
    slot[SLOT_START] = start_time()
    slot[SLOT_NAMESPACE] = pid_namespace()[1]
    n_bytes = SLOT_NAME_WORDS * 8
    name = own_name().encode("utf-8", "replace")[:n_bytes].ljust(n_bytes, b"\0")
    slot[SLOT_NAME : SLOT_NAME + SLOT_NAME_WORDS] = memoryview(name).cast("Q")


def name_in(slot: memoryview) -> str:
    """Return the name in a slot's words; characters that control terminals are replaced."""
    return name_in_words(slot[SLOT_NAME : SLOT_NAME + SLOT_NAME_WORDS])


def name_in_words(words: Iterable[int]) -> str:
    """The same for the words of the name alone."""
    text = array("Q", words).tobytes()
    name = text.rstrip(b"\0").decode("utf-8", "replace")
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )


def wall_clock() -> int:
    """Return the time in ms since 1970, which also has a meaning after a restart."""
    return time.time_ns() // 1_000_000
