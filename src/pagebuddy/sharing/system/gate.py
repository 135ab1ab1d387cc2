"""Locks, uncompiled: a gate for the threads of a process, and a lock on a byte for processes.

Compiled, `system.pxi` has the same functions in C.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
import time
from typing import Any

from pagebuddy.sharing.words import DONE, LOCK_BYTE, LOCKED, OWN_LOCK, UNLOCKABLE

_FLOCK = struct.Struct("hhqqi0q")
_TAKE = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, LOCK_BYTE, 1, 0)
_GIVE = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, LOCK_BYTE, 1, 0)

_PAUSE_S = 0.0001


class Gate:
    """A lock for the threads of one process, which knows the thread that has it.

    Taking it and noting its owner are one step, so no exception can come between.
    """

    def __init__(self) -> None:
        # Of a type that has no public name.
        self._lock: Any = threading.RLock()

    def is_mine(self) -> bool:
        """Whether the calling thread has it."""
        return self._lock._is_owned()  # type: ignore[no-any-return]

    def take(self, seconds: float) -> int:
        """Take it: DONE, OWN_LOCK, or LOCKED after so many seconds."""
        if self.is_mine():
            return OWN_LOCK
        return DONE if self._lock.acquire(timeout=seconds) else LOCKED

    def give(self) -> None:
        """Release it."""
        self._lock.release()


def gate_take(gate: Gate, milliseconds: int) -> int:
    """Take a gate."""
    return gate.take(milliseconds / 1000)


def gate_give(gate: Gate) -> None:
    """Release a gate."""
    gate.give()


def byte_take(fd: int, milliseconds: int) -> int:
    """Lock the arena's byte. This polls, because `F_OFD_SETLKW` has no time limit."""
    end = time.monotonic() + milliseconds / 1000
    while True:
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _TAKE)
            return DONE
        except (BlockingIOError, PermissionError):
            pass
        except OSError:
            return UNLOCKABLE
        if time.monotonic() >= end:
            return LOCKED
        time.sleep(_PAUSE_S)


def byte_give(fd: int) -> None:
    """Unlock the arena's byte."""
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _GIVE)


def mutex_of_this_build() -> int:
    """The kind of mutex that this engine has: none."""
    return 0


def make_mutex(words: memoryview) -> None:
    """Raise OSError: this engine has no mutex."""
    raise OSError(
        errno.ENOSYS, "the uncompiled engine has no mutex; create the arena with lock='file'"
    )
