"""Finds the files of arenas by name or path, and opens them for reading."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pagebuddy.errors import ArenaNotFound
from pagebuddy.memory import named
from pagebuddy.sharing.layout import WORD
from pagebuddy.sharing.words import ARENA_MAGIC

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Foreign(ValueError):
    """The file is not an arena."""


def path_of(name: str) -> str:
    """The path of the arena with a name; a name with a slash is a path itself.

    >>> path_of("frames"), path_of("./store.pb")
    ('/dev/shm/frames', './store.pb')
    """
    return name if "/" in name else named.path_of(name)


def opened(path: str) -> int:
    """Open the arena at a path for reading; return the descriptor.

    Does not check owner and permissions as attaching does. Raises `ArenaNotFound`, `Foreign` if it is
    not an arena, `OSError`.
    """
    try:
        fd = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise ArenaNotFound(_missing(path)) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise Foreign(f"{path} is not an arena: it is not a regular file") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Foreign(f"{path} is not an arena: it is not a regular file")
        start = os.pread(fd, WORD, 0)
        if start != ARENA_MAGIC.to_bytes(WORD, "little"):
            found = f"it starts with {start!r}" if start else "it is empty"
            raise Foreign(f"{path} is not an arena: {found}")
    except BaseException:
        os.close(fd)
        raise
    return fd


def _missing(path: str) -> str:
    folder, name = os.path.split(path)
    if folder != named.FOLDER:
        return f"{path} does not exist; give the path of an arena's file"
    if os.path.exists(name):
        return f"no arena is named {name}; for the file in this folder, write ./{name}"
    return f"no arena is named {name}; `pagebuddy ls` lists all arenas"


def told(path: str) -> str:
    """The name of the arena at a path, or the path if it has no name.

    >>> told("/dev/shm/frames"), told("./store.pb")
    ('frames', './store.pb')
    """
    folder, name = os.path.split(path)
    return name if folder == named.FOLDER else path


def named_arenas() -> Iterator[tuple[str, bool]]:
    """Yield the paths of possible named arenas, sorted, and whether this process may read them."""
    try:
        paths = sorted(Path(named.FOLDER).iterdir())
    except OSError:
        return
    for path in paths:
        try:
            fd = opened(str(path))
        except PermissionError:
            yield str(path), False
        except (OSError, Foreign):
            # Not an arena, or removed meanwhile.
            continue
        else:
            os.close(fd)
            yield str(path), True
