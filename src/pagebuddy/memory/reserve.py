"""Room taken for good before anybody can see the memory, or refused with its figures."""

from __future__ import annotations

import errno
import mmap
import os

from pagebuddy.errors import OutOfPages
from pagebuddy.memory.sizes import rounded_up

NO_ROOM = (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT)

# The system undoes a whole request that a signal interrupts; pieces keep what was reached.
_PIECE = 64 << 20


def check_room(fd: int, n_bytes: int, room: int | None, where: str) -> None:
    """Raise `OutOfPages` where a file's missing pages are more than there is room for.

    `room` is in bytes, None where no limit is known.
    """
    missing = n_bytes - min(os.fstat(fd).st_blocks * 512, n_bytes)
    if room is not None and missing > room:
        cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise out_of_pages(missing, room, where) from cause


def reserve(fd: int, n_bytes: int, room: int | None, where: str) -> None:
    """Have every page of a file backed, so that no later touch can fail.

    Raises `OutOfPages`, the system's error being its cause. What was reserved until then stays with the
    file. Cost: the system zeroes each page of memory, some 100 µs a MiB.
    """
    check_room(fd, n_bytes, room, where)
    for start in range(0, n_bytes, _PIECE):
        try:
            os.posix_fallocate(fd, start, min(_PIECE, n_bytes - start))
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise out_of_pages(n_bytes, room, where) from error


def out_of_pages(n_bytes: int, room: int | None, where: str) -> OutOfPages:
    """Return the error for n_bytes that could not be had, in pages of the system."""
    asked = rounded_up(n_bytes, mmap.PAGESIZE) // mmap.PAGESIZE
    # The system refused, so what it gave as free cannot have been enough.
    free = min((room or 0) // mmap.PAGESIZE, asked - 1)
    return OutOfPages(asked, free, free, mmap.PAGESIZE, where)
