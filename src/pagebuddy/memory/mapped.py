"""Base class of all media that are a mapped file: `anonymous`, `named` and `file`."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar, NoReturn

from pagebuddy.arguments import whole
from pagebuddy.errors import ArenaClosed
from pagebuddy.memory import room, system
from pagebuddy.memory.huge import Huge
from pagebuddy.memory.mapping import LastCall, Mapping
from pagebuddy.memory.options import Options
from pagebuddy.memory.reserve import NO_ROOM, check_room, out_of_pages, reserve
from pagebuddy.memory.sizes import rounded_up


class Mapped:
    """A medium that is a mapped file, with or without a name. `Medium` describes its methods."""

    KIND: ClassVar[str]
    """Name of the medium in messages."""

    SUPPORTS: ClassVar[frozenset[str]]
    """Names of the options that it supports; see `Options.check`."""

    FOUND_BY = "-"

    outlasts_power = False

    seen_by_children = True

    shared = True

    limited = False

    def __init__(self, fd: int, n_bytes: int, options: Options, huge: Huge) -> None:
        """Map the first n_bytes of a file, and take over its descriptor, even if this fails."""
        self.grain = huge.n_bytes or mmap.PAGESIZE
        self._mapping: Mapping | None = None
        with closed_if_it_fails(fd):
            self._reserve(fd, n_bytes, options)
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

    def _reserve(self, fd: int, n_bytes: int, options: Options) -> None:
        """Reserve the memory, or check that there is enough, before there is a mapping to access."""
        if options.reserve:
            reserve(fd, n_bytes, self._room(fd), f"in {self.KIND}", self._reason(n_bytes))
        elif options.populate:
            check_room(fd, n_bytes, self._room(fd), f"in {self.KIND}", self._reason(n_bytes))

    def _prepare(self, mapping: Mapping, options: Options) -> None:
        # A process that crashes holds its locks until its core file is written.
        system.advise(mapping.address, mapping.n_bytes, system.DONT_DUMP)
        if options.huge == "transparent":
            system.advise(mapping.address, mapping.n_bytes, system.HUGE_PAGES)
        if options.populate:
            room_left, reason = self._room(mapping.fd), self._reason(mapping.n_bytes)
            populate(mapping, room_left, f"in {self.KIND}", reason)

    def _room(self, fd: int) -> int | None:
        """How many bytes are available for this medium."""
        return room.in_memory()

    def _reason(self, n_bytes: int) -> str:
        """Return which file system has no room for n_bytes, and what to do; "" if there is none."""
        return ""

    def _refused(self, error: OSError, fd: int, n_bytes: int) -> Exception:
        """The error to raise if the system refused the mapping."""
        if error.errno != errno.ENOMEM:
            return error
        return ValueError(
            f"size is {n_bytes} bytes, which is more than this process can map: it is limited by the "
            "address space and by `ulimit -v`"
        )

    @property
    def _open(self) -> Mapping:
        if self._mapping is None:
            raise ArenaClosed(f"{self.KIND} was closed; attach to it again, or create a new arena")
        return self._mapping

    @property
    def size(self) -> int:
        """Number of bytes, in whole pages."""
        return self._open.n_bytes

    @property
    def memory(self) -> memoryview:
        """All bytes, writable."""
        return self._open.memory

    @property
    def address(self) -> int:
        """Address of the first byte in this process."""
        return self._open.address

    @property
    def place(self) -> str:
        """Empty: no path or name leads to this medium."""
        return ""

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode of the file, which are the same in every process."""
        return self._open.identity

    def fileno(self) -> int:
        """Return the file descriptor, after checking that it still refers to the file.

        If the program closed it, the file is opened again if it can be found; otherwise raises OSError.
        """
        mapping = self._open
        if not mapping.is_open():
            mapping.use_descriptor(self._opened_again(mapping))
        return mapping.fd

    def _opened_again(self, mapping: Mapping) -> int:
        """Open the file again after its descriptor was lost, or raise an error that says why not."""
        raise descriptor_lost(self.KIND, mapping, "it has no name by which it can be opened again")

    def leads_here(self) -> bool:
        """Return whether others find this file at `place`: not without a name."""
        return False

    def take_over(self, other: Mapped) -> None:
        """Use the mapping of another medium of the same file instead of this medium's own."""
        self._mapping = other._open

    def is_cut(self) -> bool:
        """Return whether the file is known to be shorter than before; accessing the rest is fatal."""
        return self._open.is_cut()

    def back(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Allocate blocks for these ranges if the medium is `limited`. Raises `OutOfPages`.

        A file system without fallocate can do this only before `publish`; later, nothing is done.
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
                reason = self._reason(length)
                raise out_of_pages(length, self._room(fd), f"in {self.KIND}", reason) from error

    def _allocate(self, fd: int, offset: int, length: int) -> None:
        try:
            system.allocate(fd, offset, length)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            self._allocate_unseen(fd, offset, length)

    def _allocate_unseen(self, fd: int, offset: int, length: int) -> None:
        """Allocate blocks by storing to them, unless another process may store there meanwhile."""

    def publish(self) -> None:
        """Do nothing: there is no name by which others could find this medium."""

    def is_linked(self) -> bool:
        """Return true: this medium never had a name to lose."""
        return True

    def unlink(self) -> bool:
        """Return false: there is no name to remove."""
        return False

    def at_end(self, call: LastCall) -> None:
        """Register a function to call after the last view is gone; see `Mapping.at_end`."""
        self._open.at_end(call)

    def trim(self, offset: int, length: int) -> int:
        """Return the whole pages within a range to the system; return how many bytes that freed.

        Returns 0 if the file system cannot free parts of a file. The file keeps its length. Raises
        ValueError if the range is not within the file.
        """
        mapping = self._open
        offset = whole(offset, "offset", most=mapping.n_bytes)
        end = offset + whole(length, "length", most=mapping.n_bytes - offset)
        first, end = rounded_up(offset, self.grain), end // self.grain * self.grain
        before = os.fstat(self.fileno()).st_blocks
        if first < end:
            try:
                system.advise(mapping.address + first, end - first, system.REMOVE)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                    raise
        return max(before - os.fstat(self.fileno()).st_blocks, 0) * 512

    def protect(self, offset: int) -> None:
        """Let this process only read what is at an offset and behind it: a store there is fatal.

        Raises ValueError if the offset is inside a page of the system.
        """
        mapping = self._open
        if offset % self.grain:
            raise ValueError(
                f"this arena has pages of {self.grain} bytes of the machine, and one of them has its "
                "tables and its data; attach it without readonly=True"
            )
        system.protect(mapping.address + offset, mapping.n_bytes - offset, system.READ_ONLY)

    def unprotect(self, offset: int, n_bytes: int) -> None:
        """Let this process write to whole pages of the system that `protect` took from it."""
        system.protect(self._open.address + offset, n_bytes, system.READ_WRITE)

    def flush(self) -> None:
        """Do nothing: this memory is lost at a power cut anyway."""

    def close(self) -> None:
        """Release the memory. Mapping and descriptor end when the last view is gone."""
        self._mapping = None

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self.KIND} cannot be copied or pickled; pickle the Arena that uses it")

    def __repr__(self) -> str:
        state = "closed" if self._mapping is None else f"{self._mapping.n_bytes} bytes"
        return f"<{self.KIND}, {state}>"


def descriptor_lost(kind: str, mapping: Mapping, why: str) -> OSError:
    """Return the error for a descriptor that was closed, when the file cannot be opened again."""
    return OSError(
        errno.EBADF,
        f"the program closed file descriptor {mapping.fd} of {kind}, or uses the number for another "
        f"file now, and {why}; existing buffers stay valid; keep the descriptors of arenas open, or "
        "create arenas after closing all others",
    )


def resize(fd: int, n_bytes: int, kind: str) -> None:
    """Set the length of a new file. Pages that are never accessed use no memory.

    Raises ValueError if the file system does not support this length, `OutOfPages` if it is full.
    """
    try:
        os.ftruncate(fd, n_bytes)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise out_of_pages(n_bytes, room.in_file_system(fd), f"in {kind}") from error
        if error.errno in (errno.EFBIG, errno.EINVAL):
            raise ValueError(f"size is {n_bytes} bytes, which is too large for {kind}") from error
        raise


def populate(mapping: Mapping, room: int | None, where: str, reason: str = "") -> None:
    """Map every page now, writable. Raises `OutOfPages`, caused by the system's error."""
    try:
        system.advise(mapping.address, mapping.n_bytes, system.POPULATE_WRITE)
    except OSError as error:
        if error.errno == errno.EINVAL:
            touch(mapping, room, where, reason)
        elif error.errno in (errno.EFAULT, *NO_ROOM):
            raise out_of_pages(mapping.n_bytes, room, where, reason) from error
        else:
            raise


def touch(mapping: Mapping, room: int | None, where: str, reason: str = "") -> None:
    """Map every page by reading a byte of it, for Linux before 5.14.

    The pages are reserved first, as accessing a page that is not available kills the process.
    """
    reserve(mapping.fd, mapping.n_bytes, room, where, reason)
    bytes(mapping.memory[:: mmap.PAGESIZE])


@contextmanager
def closed_if_it_fails(fd: int) -> Iterator[None]:
    """Close a descriptor if the block raises an exception."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.close(fd)
        raise
