"""Find out whether memory is shared with forked children. Used for memory that the caller passes in."""

from __future__ import annotations

import os

from pagebuddy.memory.kernel_files import Path, bytes_in

MAPS = "/proc/self/maps"


def is_shared_at(address: int, n_bytes: int, maps: Path = MAPS) -> bool:
    """Return whether any of these bytes is shared with forked children, not copied on write.

    Returns true if the system does not report its mappings.

    >>> import mmap
    >>> from pagebuddy.allocator.placement import address_of
    >>> memory = mmap.mmap(-1, 4096)
    >>> is_shared_at(address_of(memory), 1)
    True
    """
    if not hasattr(os, "fork"):
        return False
    try:
        # A line ends with a path, which can contain any byte except a newline.
        lines = bytes_in(maps).strip().split(b"\n")
    except OSError:
        return True
    for line in lines:
        span, mode, _ = line.split(maxsplit=2)
        begin, end = (int(at, 16) for at in span.split(b"-"))
        if begin < address + n_bytes and address < end and mode[3:4] == b"s":
            return True
    return False
