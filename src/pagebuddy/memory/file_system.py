"""File systems that are too small for an arena: which one, how large it is, and what to do.

Used by `linked`. In a container, /dev/shm has 64 MiB by default.
"""

from __future__ import annotations

import os
import sys
import warnings

from pagebuddy.arguments import in_bytes
from pagebuddy.errors import ArenaSizeWarning

_PACKAGE = os.path.dirname(os.path.dirname(__file__))

_WAYS = {
    True: (
        "make it larger (in a container, for example: docker run --shm-size=8g), use an arena without a "
        "name, Arena(size), or put the arena in a file elsewhere, Arena.file(path, size)"
    ),
    False: (
        "make room in it, put the arena in a file elsewhere, Arena.file(path, size), or use an arena in "
        "memory, Arena(size)"
    ),
}


def why_full(folder: str, n_bytes: int) -> str:
    """Return which file system has no room for n_bytes, how large it is, and what to do.

    Returns "" if there is room, so that something else was missing.
    """
    try:
        figures = os.statvfs(folder)
        mount = _mount_of(folder)
    except OSError:
        return ""
    free = figures.f_bavail * figures.f_frsize
    if figures.f_blocks == 0 or free >= n_bytes:
        return ""
    size = figures.f_blocks * figures.f_frsize
    return (
        f"the file system at {mount} has too little room: it has {in_bytes(size)}, of which "
        f"{in_bytes(free)} are free; ask for less, or {_WAYS[mount == '/dev/shm']}"
    )


def warn_if_too_small(folder: str, n_bytes: int) -> None:
    """Show an `ArenaSizeWarning` if the file system could not hold n_bytes even if it were empty."""
    try:
        figures = os.statvfs(folder)
        mount = _mount_of(folder)
    except OSError:
        # Creating the file says what is wrong.
        return
    size = figures.f_blocks * figures.f_frsize
    if not 0 < size < n_bytes:
        return
    warnings.warn(
        f"the new arena needs up to {in_bytes(n_bytes)}, but the file system at {mount} has only "
        f"{in_bytes(size)} in all, so calls will raise OutOfPages before the arena is full; "
        f"{_WAYS[mount == '/dev/shm']}",
        ArenaSizeWarning,
        stacklevel=_callers_level(),
    )


def _mount_of(folder: str) -> str:
    """The uppermost folder of a folder's file system."""
    at = os.path.realpath(folder)
    device = os.stat(at).st_dev
    while (above := os.path.dirname(at)) != at and os.stat(above).st_dev == device:
        at = above
    return at


def _callers_level() -> int:
    """How many frames lie between `warnings.warn` in our caller and the first outside the package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
