"""System calls for mapped memory.

The module `mmap` is not used, as it duplicates the descriptor of each mapping. Here a mapping is only an
address. Used by `mapping`, `mapped`, `file` and the leases of `sharing`.
"""

from __future__ import annotations

import errno
import os
from functools import cache
from struct import calcsize
from typing import Any

READ_ONLY = 0x1
READ_WRITE = 0x1 | 0x2
NO_ACCESS = 0

# From <linux/mman.h>; some versions of `mmap` lack some of them.
REMOVE = 9
DONT_FORK = 10
DO_FORK = 11
HUGE_PAGES = 14
DONT_DUMP = 16
POPULATE_WRITE = 23

_MAP_SHARED = 0x1
_MS_SYNC = 4
_KEEP_LENGTH = 1
# MAP_FAILED, as an unsigned number.
_FAILED = (1 << 8 * calcsize("P")) - 1


@cache
def _libc() -> Any:
    # Imported at the first arena: loading ctypes is a tenth of the time of importing this package.
    from ctypes import CDLL, c_int, c_long, c_size_t, c_void_p

    libc = CDLL(None, use_errno=True)
    libc.mmap.restype = c_void_p
    libc.mmap.argtypes = (c_void_p, c_size_t, c_int, c_int, c_int, c_long)
    libc.munmap.argtypes = (c_void_p, c_size_t)
    libc.mprotect.argtypes = (c_void_p, c_size_t, c_int)
    libc.madvise.argtypes = (c_void_p, c_size_t, c_int)
    libc.fallocate.argtypes = (c_int, c_int, c_long, c_long)
    libc.msync.argtypes = (c_void_p, c_size_t, c_int)
    return libc


def map_shared(fd: int, n_bytes: int, protection: int) -> int:
    """Map the first n_bytes of a file shared, and return the address. Raises OSError."""
    address: int | None = _libc().mmap(None, n_bytes, protection, _MAP_SHARED, fd, 0)
    if address is None or address == _FAILED:
        raise _error()
    return address


def unmap(address: int, n_bytes: int) -> None:
    """End a mapping that `map_shared` made. Raises OSError."""
    if _libc().munmap(address, n_bytes):
        raise _error()


def protect(address: int, n_bytes: int, protection: int) -> None:
    """Change how this process may access whole pages of a mapping. Raises OSError."""
    if _libc().mprotect(address, n_bytes, protection):
        raise _error()


def advise(address: int, n_bytes: int, advice: int) -> None:
    """Tell the system how a part of a mapping will be used. Raises OSError."""
    if _libc().madvise(address, n_bytes, advice):
        raise _error()


def allocate(fd: int, offset: int, n_bytes: int) -> None:
    """Allocate blocks for a part of a file without changing its length. Raises OSError."""
    while _libc().fallocate(fd, _KEEP_LENGTH, offset, n_bytes):
        # On some file systems, a signal undoes the whole request.
        if _errno() != errno.EINTR:
            raise _error()


def write_out(address: int, n_bytes: int) -> None:
    """Write a part of a mapping to its file, and return when it is done. Raises OSError."""
    if _libc().msync(address, n_bytes, _MS_SYNC):
        raise _error()


def _error() -> OSError:
    number = _errno()
    return OSError(number, os.strerror(number))


def _errno() -> int:
    from ctypes import get_errno

    return get_errno()
