"""Who is alive, as `reap` asks it. Compiled, `system.pxi` has the same functions in C."""

from __future__ import annotations

import os
from typing import Any

from pagebuddy.sharing.system.lease import is_taken


def may_judge(a: Any) -> bool:
    """Whether this process can tell who is dead: its descriptor is the arena's, its own lease seen."""
    return is_the_file(a, a.fd) and (a.slot == 0 or is_taken(a.fd, a.slot))


def locks_the_arena(a: Any) -> bool:
    """Whether a lock through this process's descriptor for that is one on the arena.

    Who closed it may have opened another file since, which got its number.
    """
    return is_the_file(a, a.lock_fd)


def lease_is_gone(a: Any, slot: int) -> bool:
    """Whether a slot's lease is gone."""
    try:
        return not is_taken(a.fd, slot)
    except OSError:
        return False


def is_the_file(a: Any, fd: int) -> bool:
    """Whether a descriptor is still one of the arena's file."""
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (a.device, a.inode)
