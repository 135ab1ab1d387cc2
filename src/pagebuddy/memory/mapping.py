"""A file descriptor and its mapping, which end together when the last view of the memory is gone.

Used by `mapped`.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import suppress

from pagebuddy.errors import CorruptMetadata
from pagebuddy.memory import system
from pagebuddy.memory.untracked import untracked

LastCall = Callable[[memoryview], None]


class Mapping:
    """A whole file, mapped shared and writable.

    Invariants:
    - The memory stays mapped while any view of it lives, even if this object is gone: all views refer
      to one array, and the mapping ends when the array does.
    - At the end, first the functions given to `at_end` are called, newest first; then the memory is
      unmapped; then the descriptor is closed, unless its number refers to another file by now.
    - The descriptor may be closed by others at any time: `is_open` says whether it is the file's.
    - Nothing is done at the interpreter's exit, as the system ends all mappings.
    """

    def __init__(self, fd: int, n_bytes: int) -> None:
        """Map the first n_bytes of a file, and take over its descriptor.

        Raises `CorruptMetadata` if the file is shorter, and OSError if it cannot be mapped. Then the
        descriptor stays open, and the caller must close it.
        """
        status = os.fstat(fd)
        if status.st_size < n_bytes:
            raise CorruptMetadata(
                "the file is as long as its mapping", f"{status.st_size} of {n_bytes} bytes"
            )
        self.n_bytes = n_bytes
        # More than one only if two threads replaced a lost one at once.
        self._fds = [fd]
        self.identity = identity_of(status)
        self.address = system.map_shared(fd, n_bytes, system.READ_WRITE)
        array = untracked(self.address, n_bytes)
        self._last_calls: list[LastCall] = []
        self._end = weakref.finalize(
            array, _end, self.address, n_bytes, self._fds, self.identity, self._last_calls
        )
        self._end.atexit = False
        self.memory = memoryview(array).cast("B")

    @property
    def fd(self) -> int:
        """The descriptor's number, which may refer to nothing or to another file by now."""
        return self._fds[-1]

    def is_open(self) -> bool:
        """Return whether the descriptor still refers to the file. Cost: one system call."""
        return refers_to(self.fd, self.identity)

    def use_descriptor(self, fd: int) -> None:
        """Take over a descriptor of the same file, as the one before was lost."""
        lost = self.fd
        self._fds.append(fd)
        with suppress(ValueError):
            self._fds.remove(lost)

    def at_end(self, call: LastCall) -> None:
        """Register a function that is called after the last view is gone, before the unmapping.

        It gets the memory, and must keep neither that nor this object. An exception that it raises is
        reported on stderr.
        """
        self._last_calls.append(call)

    def abandon(self) -> None:
        """Unmap and close now. Only for a mapping whose memory nobody has seen."""
        self.memory = memoryview(b"")
        self._end()

    def is_cut(self) -> bool:
        """Return whether the file is shorter than the mapping; false if its descriptor was closed."""
        try:
            status = os.fstat(self.fd)
        except OSError:
            return False
        return identity_of(status) == self.identity and status.st_size < self.n_bytes


def identity_of(status: os.stat_result) -> tuple[int, int]:
    """Return the device and the inode, which together identify a file."""
    return status.st_dev, status.st_ino


def refers_to(fd: int, identity: tuple[int, int]) -> bool:
    """Return whether a descriptor refers to a file; false if it is closed."""
    try:
        return identity_of(os.fstat(fd)) == identity
    except OSError:
        return False


def run_last_calls(calls: list[LastCall], memory: memoryview) -> None:
    """Call all functions, the newest first, even if one raises an exception."""
    if calls:
        try:
            calls.pop()(memory)
        finally:
            run_last_calls(calls, memory)


def _end(
    address: int,
    n_bytes: int,
    fds: list[int],
    identity: tuple[int, int],
    last_calls: list[LastCall],
) -> None:
    """End a mapping that has no views any more."""
    try:
        if last_calls:
            run_last_calls(last_calls, memoryview(untracked(address, n_bytes)).cast("B"))
    finally:
        system.unmap(address, n_bytes)
        for fd in fds:
            if refers_to(fd, identity):
                os.close(fd)
