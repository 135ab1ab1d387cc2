"""A file and its mapping, one descriptor and one run of addresses, which end with the last view."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from ctypes import c_char

from pagebuddy.errors import CorruptMetadata
from pagebuddy.memory import system
from pagebuddy.memory.untracked import untracked

LastCall = Callable[[memoryview], None]


class Mapping:
    """All of a file, mapped shared and writable.

    These hold:
    - The memory stays mapped while any view of it lives, whoever made the view and whatever became of
      this object: each view refers to one array, and the array's end is the mapping's.
    - At the end, in this order: the calls given to `at_end`, newest first; unmapping; closing the
      descriptor, unless its number has come to mean another file.
    - At the interpreter's exit nothing is done; the system ends what is left.
    """

    def __init__(self, fd: int, n_bytes: int) -> None:
        """Map the first n_bytes of the file fd, which from now on is this object's to close.

        Raises `CorruptMetadata` where the file is shorter, OSError where it cannot be mapped; the
        descriptor is then still the caller's.
        """
        status = os.fstat(fd)
        if status.st_size < n_bytes:
            raise CorruptMetadata(
                "the file is as long as its mapping", f"{status.st_size} of {n_bytes} bytes"
            )
        self.n_bytes = n_bytes
        self.fd = fd
        self.identity = identity_of(status)
        self.address = system.map_shared(fd, n_bytes, system.READ_WRITE)
        array = untracked((c_char * n_bytes).from_address(self.address))
        self._last_calls: list[LastCall] = []
        self._end = weakref.finalize(
            array, _end, self.address, n_bytes, fd, self.identity, self._last_calls
        )
        self._end.atexit = False
        self.memory = memoryview(array).cast("B")

    @property
    def ended(self) -> bool:
        """Whether it is unmapped."""
        return not self._end.alive

    def at_end(self, call: LastCall) -> None:
        """Have `call` called when the last view is gone, before the memory is unmapped.

        It is given the memory once more and must keep neither that nor this object. What it raises is
        written to stderr, and the end goes on.
        """
        self._last_calls.append(call)

    def abandon(self) -> None:
        """End at once. Only for a mapping whose memory nobody has seen."""
        self.memory = memoryview(b"")
        self._end()

    def is_cut(self) -> bool:
        """Whether the file is known to have been cut off: not where its descriptor was closed."""
        try:
            status = os.fstat(self.fd)
        except OSError:
            return False
        return identity_of(status) == self.identity and status.st_size < self.n_bytes


def identity_of(status: os.stat_result) -> tuple[int, int]:
    """Return what tells a file from all others: its device and its inode."""
    return status.st_dev, status.st_ino


def run_last_calls(calls: list[LastCall], memory: memoryview) -> None:
    """Run the newest call, then the others, whatever comes of it."""
    if calls:
        try:
            calls.pop()(memory)
        finally:
            run_last_calls(calls, memory)


def _end(
    address: int, n_bytes: int, fd: int, identity: tuple[int, int], last_calls: list[LastCall]
) -> None:
    """End a mapping of which no view is left."""
    try:
        if last_calls:
            run_last_calls(
                last_calls, memoryview((c_char * n_bytes).from_address(address)).cast("B")
            )
    finally:
        system.unmap(address, n_bytes)
        try:
            ours = identity_of(os.fstat(fd)) == identity
        except OSError:
            ours = False
        if ours:
            os.close(fd)
