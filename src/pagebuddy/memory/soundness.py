"""Open files that exist already, only if no other user could have prepared them to do harm."""

from __future__ import annotations

import errno
import os
import stat

from pagebuddy.errors import ArenaNotFound
from pagebuddy.memory.descriptors import descriptor_for
from pagebuddy.memory.mapped import closed_if_it_fails

_ROOT = 0
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_sound(path: str) -> int:
    """Open a file for reading and writing, and return its descriptor.

    Raises `ArenaNotFound` if there is no file, ValueError if it is a symbolic link or `check_sound`
    refuses it, and PermissionError if the system does not permit it.
    """
    try:
        with descriptor_for(path):
            fd = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise ArenaNotFound(
            f"{path} does not exist; create the arena first, or check the name"
        ) from None
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
    """Raise ValueError unless this is a regular file that is not empty and can be trusted.

    It must belong to this user or to root, and others must not be able to write it: a user who can
    write the file can cut it short, and then every process that touches the missing part is killed.
    """
    if not stat.S_ISREG(status.st_mode):
        raise _irregular(path)
    if status.st_uid not in (os.geteuid(), _ROOT):
        raise ValueError(
            f"{path} belongs to user {status.st_uid}, and this process runs as user {os.geteuid()}; "
            "only arenas of the same user or of root are trusted"
        )
    if status.st_mode & stat.S_IWOTH:
        raise ValueError(
            f"{path} is writable by all users, so it cannot be trusted; create a new arena, or, if "
            "you trust its contents, remove the permission with chmod o-w"
        )
    if status.st_size == 0:
        raise ValueError(
            f"{path} is empty, so it is not an arena; remove it, or choose another name"
        )


def _irregular(path: str) -> ValueError:
    return ValueError(f"{path} is not a regular file, so it is not an arena; choose another name")
