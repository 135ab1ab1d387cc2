"""Which processes are alive, uncompiled. Compiled, `system.pxi` has the same functions in C."""

from __future__ import annotations

import os
from typing import Protocol

from pagebuddy.sharing.system.lease import is_taken


class Judging(Protocol):
    """What judging needs: a descriptor, the identity of the arena's file, and this process's slot."""

    @property
    def fd(self) -> int:
        """A descriptor through which no process locks."""

    @property
    def slot(self) -> int:
        """This process's slot, or 0."""

    @property
    def device(self) -> int:
        """The device of the arena's file."""

    @property
    def inode(self) -> int:
        """The inode of the arena's file."""


class Locking(Judging, Protocol):
    """The same, and a descriptor for the arena's lock."""

    @property
    def lock_fd(self) -> int:
        """The descriptor."""


def may_judge(a: Judging) -> bool:
    """Whether this process can tell which are dead: it has the arena's file, and sees its own lease."""
    return is_the_file(a, a.fd) and (a.slot == 0 or is_taken(a.fd, a.slot))


def locks_the_arena(a: Locking) -> bool:
    """Whether the descriptor for the lock is still the arena's: another file may have got its number."""
    return is_the_file(a, a.lock_fd)


def lease_is_gone(a: Judging, slot: int) -> bool:
    """Whether a slot's lease is gone."""
    try:
        return not is_taken(a.fd, slot)
    except OSError:
        return False


def is_the_file(a: Judging, fd: int) -> bool:
    """Whether a descriptor is still one of the arena's file."""
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (a.device, a.inode)
