"""Leases: the one proof that a process is alive.

A lease is a lock on a byte far behind the end of a file, of the kind that belongs to an open file
(`F_OFD_SETLK`) and not to a process. The open file is kept by a mapping alone, and a mapping by an
address space alone. So the lease ends exactly when the address space does, however that comes: exit,
SIGKILL, exec. Closing descriptors does not end it, no process can lose it to another of the same number,
and a forked child does not go on with it.

    byte 2**62 + slot    the process in that slot of the arena
    byte 2**62 - 1       visitors: any number at once, without slots
    byte 2**62 - 2       whoever is attaching
    byte 2**62 - 3       touched by `probe` alone

There is no state here: all is asked of the system each time. `fd` is always a descriptor of the arena's
file that nobody locks through.
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

FIRST_BYTE = 1 << 62
VISITORS = FIRST_BYTE - 1
ATTACHING = FIRST_BYTE - 2
PROBED = FIRST_BYTE - 3

N_LEASES = 1 << 16

# struct flock: kind, whence, start, length, pid; the kernel wants 0 for the pid.
_FLOCK = struct.Struct("hhqqi0q")

_PAUSE_S = 0.001


class Lease:
    """A lock that lasts as long as this address space, or until it is released.

    The object may be dropped; the lease stays. A copy in a forked child stands for nothing, unless the
    lease was inherited: then parent and child share it, and it lasts until both have let go.
    """

    __slots__ = ("address", "n_bytes")

    def __init__(self, address: int, n_bytes: int) -> None:
        """Take over a mapping that keeps a locked file open. For `take` and `visit`."""
        self.address = address
        self.n_bytes = n_bytes

    def release(self) -> None:
        """End it, as far as this address space is concerned. A second call does nothing.

        In a forked child, only for an inherited lease: where another has none, its address may by now be
        that of something else.
        """
        if self.n_bytes:
            system.unmap(self.address, self.n_bytes)
            self.n_bytes = 0

    def set_inherited(self, inherited: bool) -> None:
        """Say whether children that are forked from now on go on with it. Raises OSError."""
        advice = system.DO_FORK if inherited else system.DONT_FORK
        system.advise(self.address, self.n_bytes, advice)


def take(fd: int, slot: int, *, inherited: bool = False) -> Lease | None:
    """Take the lease of a slot; return None where somebody has it, be it this process.

    Raises OSError, and nothing is taken, where there are no descriptors, locks or mappings left. No
    thread may fork meanwhile: for a moment there is a descriptor, and who copies it keeps the lease.
    Cost: seven system calls, some 20 µs.
    """
    return _kept(fd, fcntl.F_WRLCK, _byte_of(slot), os.O_RDWR, inherited)


def is_taken(fd: int, slot: int) -> bool:
    """Return whether the process in a slot is alive, as it seems through fd.

    Before anybody is taken for dead by this, make sure that fd still is the arena's, and that this
    process's own slot reads as taken. Cost: one system call.
    """
    return _is_locked(fd, _byte_of(slot))


def any_is_taken(fd: int, n_slots: int) -> bool:
    """Return whether any of the first n_slots slots is taken. Cost: one system call."""
    n = whole(n_slots, "n_slots", least=1, most=N_LEASES)
    return _is_locked(fd, FIRST_BYTE, n)


def visit(fd: int) -> Lease:
    """Show that somebody looks at the arena who has no slot there.

    Reading is enough. Raises OSError as `take` does. Cost: as `take`.
    """
    flags = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
    lease = _kept(fd, fcntl.F_RDLCK, VISITORS, flags, inherited=False)
    if lease is None:
        raise BlockingIOError(
            errno.EAGAIN, "the visitors' byte is locked for writing by a stranger"
        )
    return lease


def is_visited(fd: int) -> bool:
    """Return whether there is a visitor. Cost: one system call."""
    return _is_locked(fd, VISITORS)


@contextmanager
def attaching(fd: int, timeout: float | None = None) -> Iterator[None]:
    """Attach one at a time: wait until nobody else does, and keep others waiting for the block.

    It asks each millisecond; meanwhile signals are handled and other threads run. Who dies in the
    block lets the next one in. Raises TimeoutError after `timeout` seconds, None meaning never.
    """
    own = _opened_afresh(fd, os.O_RDWR)
    try:
        _wait_for(own, ATTACHING, timeout)
        try:
            yield
        finally:
            # A fork may have copied the descriptor; to close ours would unlock nothing then.
            _lock(own, fcntl.F_UNLCK, ATTACHING)
    finally:
        os.close(own)


def probe(fd: int) -> str | None:
    """Return why there can be no leases on a file here, or None where there can.

    Without leases an arena serves one process. Tried for real, by a lease on a byte of its own, which
    any number of processes may do at once.
    """
    try:
        lease = _kept(fd, fcntl.F_RDLCK, PROBED, os.O_RDWR, inherited=False)
        if lease is None:
            return "the byte for trying is locked for writing by a stranger"
        try:
            kept = _is_locked(fd, PROBED)
        finally:
            lease.release()
    except FileNotFoundError:
        return "there is no /proc, by which a file can be opened afresh"
    except OSError as error:
        return f"the system has no locks that belong to this open file ({error})"
    return None if kept else "a lock on this file does not last as long as its mapping"


def _byte_of(slot: int) -> int:
    return FIRST_BYTE + whole(slot, "slot", most=N_LEASES - 1)


def _opened_afresh(fd: int, access: int) -> int:
    """Open the same file once more: a lock belongs to an open file, and copies of fd share one."""
    return os.open(f"/proc/self/fd/{fd}", access | os.O_CLOEXEC)


def _kept(fd: int, kind: int, byte: int, access: int, inherited: bool) -> Lease | None:
    """Lock a byte and leave the lock to a mapping, or return None where that byte is locked."""
    own = _opened_afresh(fd, access)
    try:
        if not _lock(own, kind, byte):
            return None
        # A file of large pages is mapped by such pages only.
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
    """Lock or unlock a byte; return False where another's lock is in the way."""
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
    """Lock a byte for writing, as soon as nobody else has."""
    end = math.inf if timeout is None else time.monotonic() + timeout
    # Not F_OFD_SETLKW: it knows no time limit, and a signal that comes just before it is not heard.
    while not _lock(fd, fcntl.F_WRLCK, byte):
        if time.monotonic() >= end:
            raise TimeoutError(
                f"another process has been attaching for {timeout} seconds; it may have been stopped: "
                "let it go on, end it, or wait longer"
            )
        time.sleep(_PAUSE_S)
