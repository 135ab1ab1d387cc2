"""Shared memory without a name: processes pass on its descriptor, and it ends with the last of them."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from typing import TYPE_CHECKING

from pagebuddy.arguments import whole
from pagebuddy.memory import room, system
from pagebuddy.memory.descriptors import descriptor_for
from pagebuddy.memory.huge import Huge, free_in_pool
from pagebuddy.memory.mapped import Mapped, closed_if_it_fails, resize
from pagebuddy.memory.options import PLAIN, Options
from pagebuddy.memory.reserve import out_of_pages
from pagebuddy.memory.sizes import bytes_of, rounded_up
from pagebuddy.memory.soundness import check_sound

if TYPE_CHECKING:
    from typing import Self

SEALS = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL

_NOT_EXECUTABLE = 0x0008


class Anonymous(Mapped):
    """A memfd whose length is sealed, so that no process can cut it short while others use it.

    >>> made = Anonymous.make("64 KiB")
    >>> made.memory[0] = 7
    >>> Anonymous.attach(made.fileno()).memory[0]
    7
    """

    KIND = "anonymous memory"
    SUPPORTS = frozenset({"reserve", "populate", "transparent", "sizes"})

    @classmethod
    def make(cls, size: object, options: Options = PLAIN) -> Self:
        """Create shared memory. Takes eight system calls.

        `size` is in bytes or text, and is rounded up to whole pages, or to whole large pages. Raises
        TypeError and ValueError for wrong arguments, and `OutOfPages` if there is not enough memory to
        reserve. Large pages of a given size are always reserved.
        """
        wanted = bytes_of(size)
        huge = options.check(cls.KIND, cls.SUPPORTS)
        n_bytes = rounded_up(wanted, huge.n_bytes or mmap.PAGESIZE)
        with descriptor_for(cls.KIND):
            fd = _memfd(huge.memfd_flags)
        with closed_if_it_fails(fd):
            resize(fd, n_bytes, cls.KIND)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
        return cls(fd, n_bytes, options, huge)

    @classmethod
    def attach(cls, fd: int, options: Options = PLAIN) -> Self:
        """Map the whole file that a descriptor refers to. The caller keeps its own descriptor.

        This can also be a file that is not a sealed memfd, if `check_sound` accepts it. Raises
        ValueError if the descriptor is closed or not writable, or the file cannot be trusted.
        """
        options.check("an open descriptor", cls.SUPPORTS - {"sizes"})
        given = whole(fd, "fd")
        try:
            with descriptor_for(cls.KIND):
                own = os.dup(given)
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno != errno.EBADF:
                raise
            raise ValueError(
                f"fd is {given}, which is not open in this process; pass a descriptor that "
                "arena.fileno() returned, and that this process has inherited or received"
            ) from None
        with closed_if_it_fails(own):
            status = os.fstat(own)
            if not _is_sealed(own):
                check_sound(status, f"descriptor {given}")
            if fcntl.fcntl(own, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDWR:
                raise ValueError(
                    f"fd is {given}, which is not open for both reading and writing; open it with O_RDWR"
                )
            page = os.fstatvfs(own).f_bsize if _is_sealed(own) else mmap.PAGESIZE
            huge = Huge(n_bytes=page if page > mmap.PAGESIZE else None)
        medium = cls(own, status.st_size, options, huge)
        medium.limited = not _is_sealed(medium.fileno())
        medium.outlasts_power = medium.limited
        return medium

    def flush(self) -> None:
        """Write all changes so far to the disk, if this is a file that was attached by descriptor."""
        if self.outlasts_power:
            system.write_out(self.address, self.size)

    def _room(self, fd: int) -> int | None:
        return room.in_memory() if self.grain == mmap.PAGESIZE else free_in_pool(self.grain)

    def _refused(self, error: OSError, fd: int, n_bytes: int) -> Exception:
        if error.errno == errno.ENOMEM and self.grain != mmap.PAGESIZE:
            where = f"in large pages of {self.grain >> 10} KiB"
            return out_of_pages(n_bytes, free_in_pool(self.grain), where)
        return super()._refused(error, fd, n_bytes)


def _memfd(flags: int) -> int:
    """Create a memfd that can be sealed and, if the kernel supports it, cannot be executed."""
    flags |= os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("pagebuddy", flags | _NOT_EXECUTABLE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create("pagebuddy", flags)


def _is_sealed(fd: int) -> bool:
    """Whether a seal prevents that the file is cut short."""
    try:
        return bool(fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK)
    except OSError:
        return False
