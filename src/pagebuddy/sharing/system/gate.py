"""What `lock` needs of the system, uncompiled: a gate for threads, and a lock on a byte for processes.

Compiled, `system.pxi` has the same functions in C.
"""

from __future__ import annotations

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

    Having it and being known to have it are one step each, so that no exception comes between.
    """

    def __init__(self) -> None:
        self._lock: Any = threading.RLock()

    def is_mine(self) -> bool:
        """Whether the calling thread has it."""
        return self._lock._is_owned()  # type: ignore[no-any-return]

    def take(self, seconds: float) -> int:
        """Take it, unless another thread has it for longer than that."""
        if self.is_mine():
            return OWN_LOCK
        return DONE if self._lock.acquire(timeout=seconds) else LOCKED

    def give(self) -> None:
        """Let the next one in."""
        self._lock.release()


def gate_take(gate: Gate, milliseconds: int) -> int:
    """Take a gate."""
    return gate.take(milliseconds / 1000)


def gate_give(gate: Gate) -> None:
    """Give a gate back."""
    gate.give()


def byte_take(fd: int, milliseconds: int) -> int:
    """Lock the arena's byte. Asked again and again: `F_OFD_SETLKW` knows no time limit."""
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
    """Whose mutex this is: nobody's."""
    return 0
