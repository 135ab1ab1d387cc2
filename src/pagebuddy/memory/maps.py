"""What the system tells of this process's mappings."""

from __future__ import annotations

import os
from pathlib import Path

MAPS = Path("/proc/self/maps")


def is_shared_at(address: int, n_bytes: int, maps: Path = MAPS) -> bool:
    """Return whether any of these bytes is shared with forked children, not copied on write.

    Where the system does not tell, they may be. Cost: one line of text for each mapping.

    >>> import mmap
    >>> from pagebuddy.allocator.placement import address_of
    >>> memory = mmap.mmap(-1, 4096)
    >>> is_shared_at(address_of(memory), 1)
    True
    """
    if not hasattr(os, "fork"):
        return False
    try:
        # Behind the figures is the path of a file, which may have any bytes in it but a line's end.
        lines = maps.read_bytes().strip().split(b"\n")
    except OSError:
        return True
    for line in lines:
        span, mode, _ = line.split(maxsplit=2)
        begin, end = (int(at, 16) for at in span.split(b"-"))
        if begin < address + n_bytes and address < end and mode[3:4] == b"s":
            return True
    return False
