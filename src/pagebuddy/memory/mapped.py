"""What all media have in common that are a descriptor and its mapping."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

from pagebuddy.arguments import whole
from pagebuddy.errors import ArenaClosed
from pagebuddy.memory import room, system
from pagebuddy.memory.huge import Huge
from pagebuddy.memory.mapping import LastCall, Mapping
from pagebuddy.memory.options import Options
from pagebuddy.memory.reserve import NO_ROOM, check_room, out_of_pages, reserve
from pagebuddy.memory.sizes import rounded_up


class Mapped:
    """A medium that is a file, with a name or without one. Use one of its subclasses."""

    KIND: ClassVar[str]
    """What it is, in messages."""

    SUPPORTS: ClassVar[frozenset[str]]
    """The options that it has; see `Options.check`."""

    shared = True

    limited = False

    def __init__(self, fd: int, n_bytes: int, options: Options, huge: Huge) -> None:
        """Map the first n_bytes of a file. fd is this object's, also when it raises."""
        self.grain = huge.n_bytes or mmap.PAGESIZE
        self._mapping: Mapping | None = None
        with closed_if_it_fails(fd):
            self._fill(fd, n_bytes, options)
            try:
                mapping = Mapping(fd, n_bytes)
            except OSError as error:
                raise self._refused(error, fd, n_bytes) from error
        try:
            self._prepare(mapping, options)
        except BaseException:
            mapping.abandon()
            raise
        self._mapping = mapping

    def _fill(self, fd: int, n_bytes: int, options: Options) -> None:
        """Take the room that is asked for, before there is a mapping to touch."""
        if options.reserve:
            reserve(fd, n_bytes, self._room(fd), f"in {self.KIND}")
        elif options.populate:
            check_room(fd, n_bytes, self._room(fd), f"in {self.KIND}")

    def _prepare(self, mapping: Mapping, options: Options) -> None:
        # Whoever dies is a lock's owner until its memory is written to the core file.
        system.advise(mapping.address, mapping.n_bytes, system.DONT_DUMP)
        if options.huge == "transparent":
            system.advise(mapping.address, mapping.n_bytes, system.HUGE_PAGES)
        if options.populate:
            populate(mapping, self._room(mapping.fd), f"in {self.KIND}")

    def _room(self, fd: int) -> int | None:
        """How many bytes there are to be had for this medium."""
        return room.in_memory()

    def _refused(self, error: OSError, fd: int, n_bytes: int) -> Exception:
        """The error for a mapping that the system refused."""
        if error.errno != errno.ENOMEM:
            return error
        return ValueError(
            f"size is {n_bytes}; this process cannot map that much: it is more than its address "
            "space has left, or than `ulimit -v` allows"
        )

    @property
    def _open(self) -> Mapping:
        if self._mapping is None:
            raise ArenaClosed(f"{self.KIND} was closed; attach to it again, or make a new one")
        return self._mapping

    @property
    def size(self) -> int:
        """How many bytes there are, whole pages."""
        return self._open.n_bytes

    @property
    def memory(self) -> memoryview:
        """All bytes, writable."""
        return self._open.memory

    @property
    def address(self) -> int:
        """Where the first byte is in this process."""
        return self._open.address

    @property
    def identity(self) -> tuple[int, int]:
        """The device and the inode of the file: the same in every process, unlike its descriptor."""
        return self._open.identity

    def fileno(self) -> int:
        """The one descriptor."""
        return self._open.fd

    def is_cut(self) -> bool:
        """Whether the file is known to be shorter than it was: to touch what is missing is fatal."""
        return self._open.is_cut()

    def back(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Have these ranges backed, if a file system limits them: it may be full. Raises `OutOfPages`.

        Some file systems can do so only as long as nobody else sees the file; then nothing happens.
        """
        if not self.limited:
            return
        fd = self.fileno()
        for offset, length in ranges:
            try:
                self._allocate(fd, offset, length)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                raise out_of_pages(length, self._room(fd), f"in {self.KIND}") from error

    def _allocate(self, fd: int, offset: int, length: int) -> None:
        try:
            system.allocate(fd, offset, length)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            self._allocate_unseen(fd, offset, length)

    def _allocate_unseen(self, fd: int, offset: int, length: int) -> None:
        """Have a range backed by storing to it: not where another may store there meanwhile."""

    def publish(self) -> None:
        """Let others see it, whole."""

    def unlink(self) -> bool:
        """Remove the name, if it still is this medium's; return whether it was."""
        return False

    def at_end(self, call: LastCall) -> None:
        """Have `call` called when the last view is gone; see `Mapping.at_end`."""
        self._open.at_end(call)

    def trim(self, offset: int, length: int) -> int:
        """Give the whole pages within a range back; return how many bytes the file has become smaller.

        Raises ValueError for what lies outside. 0 where the file's system cannot do it. The file keeps
        its length.
        """
        mapping = self._open
        offset = whole(offset, "offset", most=mapping.n_bytes)
        end = offset + whole(length, "length", most=mapping.n_bytes - offset)
        first, end = rounded_up(offset, self.grain), end // self.grain * self.grain
        before = os.fstat(mapping.fd).st_blocks
        if first < end:
            try:
                system.advise(mapping.address + first, end - first, system.REMOVE)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                    raise
        return max(before - os.fstat(mapping.fd).st_blocks, 0) * 512

    def flush(self) -> None:
        """Nothing survives a power cut here, so there is nothing to do."""

    def close(self) -> None:
        """Let go of the memory. It ends, its descriptor with it, when the last view is gone."""
        self._mapping = None

    def __repr__(self) -> str:
        state = "closed" if self._mapping is None else f"{self._mapping.n_bytes} bytes"
        return f"<{self.KIND}, {state}>"


def resize(fd: int, n_bytes: int, kind: str) -> None:
    """Give a new file its length. Untouched, it costs nothing.

    Raises ValueError for more than the file's system can address, `OutOfPages` where it is full.
    """
    try:
        os.ftruncate(fd, n_bytes)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise out_of_pages(n_bytes, room.in_file_system(fd), f"in {kind}") from error
        if error.errno in (errno.EFBIG, errno.EINVAL):
            raise ValueError(f"size is {n_bytes}, which is too large for {kind}") from error
        raise


def populate(mapping: Mapping, room: int | None, where: str) -> None:
    """Map every page now, writable. Raises `OutOfPages`, the system's error being its cause."""
    try:
        system.advise(mapping.address, mapping.n_bytes, system.POPULATE_WRITE)
    except OSError as error:
        if error.errno == errno.EINVAL:
            touch(mapping, room, where)
        elif error.errno in (errno.EFAULT, *NO_ROOM):
            raise out_of_pages(mapping.n_bytes, room, where) from error
        else:
            raise


def touch(mapping: Mapping, room: int | None, where: str) -> None:
    """Map every page by reading a byte of it, for Linux before 5.14.

    The pages are reserved first: to touch one that cannot be had would end the process.
    """
    reserve(mapping.fd, mapping.n_bytes, room, where)
    bytes(mapping.memory[:: mmap.PAGESIZE])


@contextmanager
def closed_if_it_fails(fd: int) -> Iterator[None]:
    """Close fd when the block raises."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.close(fd)
        raise
