"""What forking needs of the system, uncompiled. Compiled, `system.pxi` has the same functions in C."""

from __future__ import annotations

import os
from typing import Any

from pagebuddy.sharing.system import lease
from pagebuddy.sharing.system.gate import Gate
from pagebuddy.sharing.words import LOCK_FILE


def take_child_lease(a: Any, slot: int) -> bool:
    """Take a slot's lease such that a child inherits it; False where that cannot be."""
    try:
        a.child_lease = lease.take(a.fd, slot, inherited=True)
    except OSError:
        return False
    return a.child_lease is not None


def drop_child_lease(a: Any) -> None:
    """Leave a lease to the child."""
    a.child_lease.release()
    a.child_lease = None


def adopt_lease(a: Any) -> None:
    """Go on with the lease that the parent took; its own was not inherited, unless it was shared."""
    if a.sticky:
        a.lease.release()
    a.lease, a.child_lease = a.child_lease, None
    a.lease_address, a.lease_bytes = a.lease.address, a.lease.n_bytes
    a.lease.set_inherited(False)


def share_lease(a: Any) -> None:
    """Let a child go on with this process's own lease."""
    a.lease.set_inherited(True)


def renew_locks(a: Any) -> None:
    """Have locks of one's own: those of the parent are its threads', and its open file's."""
    a.gate = Gate()
    if a.lock_kind == LOCK_FILE and a.lock_fd >= 0:
        inherited, a.lock_fd = a.lock_fd, -1
        os.close(inherited)
        try:
            a.lock_fd = os.open(f"/proc/self/fd/{a.fd}", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            # Without it every operation raises; what is held stays held.
            return


def is_in_namespace(device: int, inode: int) -> bool:
    """Whether this process is of the pid namespace that a mutex serves: there is none."""
    return False


def own_pid() -> int:
    """This process's number."""
    return os.getpid()


def is_present() -> bool:
    """Whether this process is none that was cloned unseen; uncompiled that cannot be told."""
    return True


def take_own_lease(a: Any, slot: int) -> bool:
    """Take the lease of a free slot."""
    a.lease = lease.take(a.fd, slot)
    return a.lease is not None


def drop_own_lease(a: Any) -> None:
    """Let go of the lease."""
    a.lease.release()
    a.lease = None
