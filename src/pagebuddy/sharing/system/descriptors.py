"""Descriptors of an arena that the program closed, as daemons do: the file is opened again."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pagebuddy.sharing.system import lease
from pagebuddy.sharing.words import LOCK_FILE

if TYPE_CHECKING:
    from typing import Any


def look_again(a: Any) -> None:
    """Open the arena's file again if the program closed its descriptors and the file can be found."""
    if a.fileno() >= 0:
        with suppress(OSError, ValueError):
            a.use_descriptor(a.medium.fileno())
            lock_again(a)


def lock_again(a: Any) -> bool:
    """Open the arena's file again for its lock, if the program closed the descriptor for that.

    Returns whether the lock can be tried again. Raises OSError if the file cannot be found.
    """
    if not a.locks_by(LOCK_FILE):
        return False
    if a.has_lost_lock():
        a.use_descriptor(a.medium.fileno())
        fd = lease.opened_again(a.fileno())
        if not a.lock_again_through(fd):
            # Another thread has opened it meanwhile.
            os.close(fd)
    return True
