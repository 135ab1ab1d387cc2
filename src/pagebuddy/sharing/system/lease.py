"""Leases: the only proof that a process is alive.

A lease is a lock on a byte far beyond the end of the arena's file. The lock belongs to an open file
(`F_OFD_SETLK`), not to a process; only a mapping keeps that open file, and only an address space keeps
the mapping. So the lease ends exactly when the address space ends: at exit, SIGKILL or exec. Closing
descriptors does not end it, a process that gets the same number later does not have it, and a forked
child does not inherit it.

    byte 2**62 + slot    the process in that slot of the arena
    byte 2**62 - 1       reserved for visitors
    byte 2**62 - 2       the process that is attaching
    byte 2**62 - 3       used by `probe` only
    byte 2**62 - 4       the arena's lock, if it is of kind LOCK_FILE

This module has no state: the kernel is asked each time. `fd` is always a descriptor of the arena's file
through which no process locks.
"""

from __future__ import annotations

import errno
import fcntl
import math
import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pagebuddy.arguments import whole
from pagebuddy.memory import system
from pagebuddy.memory.descriptors import NO_DESCRIPTOR
from pagebuddy.sharing.words import ATTACHING_BYTE, LEASE_BYTE, PROBED_BYTE

# How many bytes are set aside for slots.
N_LEASES = 1 << 16

# struct flock: kind, whence, start, length, pid; the pid must be 0.
_FLOCK = struct.Struct("hhqqi0q")

_PAUSE_S = 0.001


class Lease:
    """A lock that lasts as long as this address space, or until it is released.

    It outlives this object. In a forked child the object has no lease, unless the lease was inherited:
    then parent and child share it, and it lasts until both have released it.
    """

    __slots__ = ("address", "n_bytes")

    def __init__(self, address: int, n_bytes: int) -> None:
        """Wrap a mapping that keeps a locked file open; called by `take` and `probe`."""
        self.address = address
        self.n_bytes = n_bytes

    def release(self) -> None:
        """End it in this address space. A second call does nothing.

        A forked child may call it for an inherited lease only: the address of another lease can be that
        of a different mapping in the child.
        """
        if self.n_bytes:
            system.unmap(self.address, self.n_bytes)
            self.n_bytes = 0

    def set_inherited(self, inherited: bool) -> None:
        """Set whether children that are forked from now on inherit it. Raises OSError."""
        advice = system.DO_FORK if inherited else system.DONT_FORK
        system.advise(self.address, self.n_bytes, advice)


def take(fd: int, slot: int, *, inherited: bool = False) -> Lease | None:
    """Take the lease of a slot; return None if a process has it, this one included.

    Raises OSError, and takes nothing, if there are no descriptors, locks or mappings left. No thread may
    fork during the call: a child would copy a descriptor that is open for a moment, and keep the lease.
    Cost: seven system calls, about 20 µs.
    """
    return _kept(fd, fcntl.F_WRLCK, _byte_of(slot), os.O_RDWR, inherited)


def is_taken(fd: int, slot: int) -> bool:
    """Return whether the process in a slot is alive, as seen through fd.

    Before you conclude that a process is dead, check that fd is still the arena's, and that the slot of
    this process reads as taken. Cost: one system call.
    """
    return _is_locked(fd, _byte_of(slot))


def any_is_taken(fd: int, n_slots: int) -> bool:
    """Return whether any of the first n_slots slots is taken. Cost: one system call."""
    n = whole(n_slots, "n_slots", least=1, most=N_LEASES)
    return _is_locked(fd, LEASE_BYTE, n)


@contextmanager
def attaching(fd: int, timeout: float | None = None) -> Iterator[None]:
    """Wait until no other process is in such a block, and let other processes wait during this one.

    It polls each millisecond; signals are handled and other threads run meanwhile. If a process dies in
    the block, the next one enters. Raises TimeoutError after `timeout` seconds, never if it is None.
    """
    own = opened_again(fd)
    try:
        _wait_for(own, ATTACHING_BYTE, timeout)
        try:
            yield
        finally:
            # Closing would not unlock if a forked child has a copy of the descriptor.
            _lock(own, fcntl.F_UNLCK, ATTACHING_BYTE)
    finally:
        os.close(own)


def probe(fd: int) -> str | None:
    """Return why leases do not work on a file here, or None if they work.

    Without leases an arena serves one process. This takes a lease on a byte of its own; several
    processes can do so at once.
    """
    try:
        lease = _kept(fd, fcntl.F_RDLCK, PROBED_BYTE, os.O_RDWR, inherited=False)
        if lease is None:
            return "another program has locked the byte that this test needs"
        try:
            kept = _is_locked(fd, PROBED_BYTE)
        finally:
            lease.release()
    except FileNotFoundError:
        return "there is no /proc, which is needed to open the file again"
    except OSError as error:
        return f"the system has no open file description locks for this file ({error})"
    return None if kept else "a lock on this file ends before its mapping does"


def opened_again(fd: int) -> int:
    """Open the arena's file again, for locks of its own. Raises what `refused` returns."""
    try:
        return _opened_afresh(fd, os.O_RDWR)
    except OSError as error:
        raise refused(error, fd) from error


def refused(error: OSError, fd: int) -> OSError:
    """Return the error that says why there is no lease on a file, or no open file for its lock.

    Its number is ENOSYS if the system lacks what leases need.
    """
    number, why = error.errno, _CAUSES.get(error.errno or 0)
    if why is None:
        lacking = probe(fd)
        why = lacking or os.strerror(number or 0)
        number = errno.ENOSYS if lacking else number
    if number == errno.ENOSYS:
        why += (
            "; here, an arena can serve one process only, made by Arena(size) or Arena.over(memory)"
        )
    return OSError(
        number, f"the system refuses the lease by which a process shares an arena: {why}"
    )


_CAUSES = {
    **NO_DESCRIPTOR,
    errno.ENOMEM: "there is no memory or no mapping left",
    errno.EACCES: "this process may not open the arena's file again; its user may have changed",
    errno.EPERM: "this process may not open the arena's file again; its user may have changed",
}
"""Causes that are not a lack of the system's, by the number of the error."""


def _byte_of(slot: int) -> int:
    return LEASE_BYTE + whole(slot, "slot", most=N_LEASES - 1)


def _opened_afresh(fd: int, access: int) -> int:
    """Open the same file again: a lock belongs to an open file, and all copies of fd share one."""
    return os.open(f"/proc/self/fd/{fd}", access | os.O_CLOEXEC)


def _kept(fd: int, kind: int, byte: int, access: int, inherited: bool) -> Lease | None:
    """Lock a byte through an open file that only a mapping keeps; None if the byte is locked."""
    own = _opened_afresh(fd, access)
    try:
        if not _lock(own, kind, byte):
            return None
        # A file of large pages can only be mapped in such pages.
        n_bytes = max(mmap.PAGESIZE, os.fstatvfs(own).f_bsize)
        lease = Lease(system.map_shared(own, n_bytes, system.NO_ACCESS), n_bytes)
        try:
            if not inherited:
                lease.set_inherited(False)
        except BaseException:
            lease.release()
            raise
        return lease
    finally:
        os.close(own)


def _lock(fd: int, kind: int, byte: int) -> bool:
    """Lock or unlock a byte; return False if another open file has it locked."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0))
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def _is_locked(fd: int, byte: int, n_bytes: int = 1) -> bool:
    """Whether any open file but fd's has a lock there."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, n_bytes, 0)
    found: int = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))[0]
    return found != fcntl.F_UNLCK


def _wait_for(fd: int, byte: int, timeout: float | None) -> None:
    """Lock a byte for writing as soon as no other open file has it locked."""
    end = math.inf if timeout is None else time.monotonic() + timeout
    # Not F_OFD_SETLKW: it has no time limit, and a signal just before the call would not end it.
    while not _lock(fd, fcntl.F_WRLCK, byte):
        if time.monotonic() >= end:
            raise TimeoutError(
                f"another process has been attaching for {timeout} seconds, and may be stopped; resume "
                "or kill it, or wait longer"
            )
        time.sleep(_PAUSE_S)
