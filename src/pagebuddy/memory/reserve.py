"""Allocate the blocks of a file now, or raise `OutOfPages` with figures.

Done before other processes can see the memory. Used by `mapped`.
"""

from __future__ import annotations

import errno
import mmap
import os

from pagebuddy.errors import OutOfPages
from pagebuddy.memory.sizes import rounded_up

NO_ROOM = (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT)

# If a signal interrupts a request, the system undoes all of it. So large requests are made in pieces.
_PIECE = 64 << 20


def check_room(fd: int, n_bytes: int, room: int | None, where: str, reason: str = "") -> None:
    """Raise `OutOfPages` if the pages that the file does not have yet need more than `room` bytes.

    `room` is None if there is no known limit.
    """
    missing = n_bytes - min(os.fstat(fd).st_blocks * 512, n_bytes)
    if room is not None and missing > room:
        cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise out_of_pages(missing, room, where, reason) from cause


def reserve(fd: int, n_bytes: int, room: int | None, where: str, reason: str = "") -> None:
    """Allocate every page of a file, so that no later access can fail.

    Raises `OutOfPages`, caused by the system's error; the file keeps the pages that were allocated
    before. In memory this takes about 100 µs per MiB, as the system clears each page.
    """
    check_room(fd, n_bytes, room, where, reason)
    for start in range(0, n_bytes, _PIECE):
        try:
            os.posix_fallocate(fd, start, min(_PIECE, n_bytes - start))
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise out_of_pages(n_bytes, room, where, reason) from error


def out_of_pages(n_bytes: int, room: int | None, where: str, reason: str = "") -> OutOfPages:
    """Return the error for n_bytes that are not available; it counts in the system's pages."""
    asked = rounded_up(n_bytes, mmap.PAGESIZE) // mmap.PAGESIZE
    # The system refused the request, so less was free than it reported.
    free = min((room or 0) // mmap.PAGESIZE, asked - 1)
    return OutOfPages(asked, free, free, mmap.PAGESIZE, where, reason)
