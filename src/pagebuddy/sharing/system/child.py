"""System calls for slots and forks, uncompiled. Compiled, `system.pxi` has them in C."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pagebuddy.sharing.system import lease
from pagebuddy.sharing.system.alive import is_the_file, locks_the_arena
from pagebuddy.sharing.system.gate import Gate
from pagebuddy.sharing.words import LOCK_FILE

if TYPE_CHECKING:
    from pagebuddy.sharing.state import ArenaState


def take_child_lease(a: ArenaState, slot: int) -> bool:
    """Take a slot's lease so that a child inherits it; False if that fails."""
    try:
        a.child_lease = lease.take(a.fd, slot, inherited=True)
    except OSError:
        return False
    return a.child_lease is not None


def drop_child_lease(a: ArenaState) -> None:
    """Release the child's lease in the parent."""
    a.child_lease.release()
    a.child_lease = None


def adopt_lease(a: ArenaState) -> None:
    """In the child: use the lease that the parent took. The parent's own is inherited only if shared."""
    if a.sticky:
        a.lease.release()
    a.lease, a.child_lease = a.child_lease, None
    a.lease_address, a.lease_bytes = a.lease.address, a.lease.n_bytes
    a.lease.set_inherited(False)


def set_lease_inherited(a: ArenaState, inherited: bool) -> None:
    """Set whether children inherit this process's own lease."""
    a.lease.set_inherited(inherited)


def renew_locks(a: ArenaState) -> None:
    """In the child: make new locks. The parent's belong to its threads and to its open file."""
    a.gate = Gate()
    if a.lock_kind == LOCK_FILE and a.lock_fd >= 0:
        inherited = a.lock_fd if locks_the_arena(a) else -1
        a.lock_fd = -1
        if inherited >= 0:
            os.close(inherited)
        if not is_the_file(a, a.fd):
            return
        try:
            a.lock_fd = os.open(f"/proc/self/fd/{a.fd}", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            # Every operation will raise, and holds stay.
            return


def is_in_namespace(device: int, inode: int) -> bool:
    """Whether a mutex works in this process's pid namespace: there is no mutex."""
    return False


def own_pid() -> int:
    """This process's id."""
    return os.getpid()


def known_pid() -> int:
    """This process's id; compiled, remembered."""
    return os.getpid()


def is_present() -> bool:
    """Whether fork handlers ran for this process; uncompiled, it cannot tell."""
    return True


def take_own_lease(a: ArenaState, slot: int) -> bool:
    """Take the lease of a slot; False if a process has it."""
    a.lease = lease.take(a.fd, slot)
    return a.lease is not None


def drop_own_lease(a: ArenaState) -> None:
    """Release the lease."""
    a.lease.release()
    a.lease = None
