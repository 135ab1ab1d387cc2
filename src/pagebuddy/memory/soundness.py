"""Files that are there already, opened only if nobody else could have put them there to do harm."""

from __future__ import annotations

import errno
import os
import stat

from pagebuddy.errors import ArenaNotFound
from pagebuddy.memory.mapped import closed_if_it_fails

_ROOT = 0
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_sound(path: str) -> int:
    """Open a file for reading and writing; return its descriptor.

    Raises `ArenaNotFound`, ValueError for a symbolic link and for anything that `check_sound` refuses,
    PermissionError where the system refuses.
    """
    try:
        fd = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise ArenaNotFound(f"there is no {path}; create it, or look for its name") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError(
                f"{path} is a symbolic link; give the path of the arena itself"
            ) from None
        if error.errno in (errno.EISDIR, errno.ENXIO, errno.ENODEV):
            raise _irregular(path) from None
        raise
    with closed_if_it_fails(fd):
        check_sound(os.fstat(fd), path)
    return fd


def check_sound(status: os.stat_result, path: str) -> None:
    """Refuse, with a ValueError that says why, what is not a regular file of ours with bytes in it.

    "Of ours": it belongs to this user or to root, and others must not write it. Who could write it could
    cut it short, and end every process that touches what is then missing.
    """
    if not stat.S_ISREG(status.st_mode):
        raise _irregular(path)
    if status.st_uid not in (os.geteuid(), _ROOT):
        raise ValueError(
            f"{path} belongs to user {status.st_uid}, this process to user {os.geteuid()}; "
            "only one's own arenas, and root's, are trusted"
        )
    if status.st_mode & stat.S_IWOTH:
        raise ValueError(
            f"{path} can be written by everybody, so it cannot be trusted; "
            "make a new arena, or, if you know who wrote it, take that right away: chmod o-w"
        )
    if status.st_size == 0:
        raise ValueError(f"{path} is empty, so it is no arena; remove it, or choose another name")


def _irregular(path: str) -> ValueError:
    return ValueError(f"{path} is not a regular file, so it is no arena; choose another name")
