"""Where the arena of a name lies."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from pagebuddy import Arena
from pagebuddy.errors import ArenaNotFound
from pagebuddy.memory import named
from pagebuddy.sharing.layout import WORD
from pagebuddy.sharing.words import ARENA_MAGIC

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Foreign(ValueError):
    """What is there is no arena."""


def path_of(name: str) -> str:
    """The path of the arena that a NAME means: one with a slash is a path itself.

    >>> path_of("frames"), path_of("./store.pb")
    ('/dev/shm/frames', './store.pb')
    """
    return name if "/" in name else named.path_of(name)


def opened(path: str) -> int:
    """Open the arena at a path to look at it; return the descriptor.

    Whose it is, and who may write it, does not matter to those who only look. Raises `ArenaNotFound`,
    `Foreign`, and OSError where the system refuses.
    """
    try:
        fd = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise ArenaNotFound(_missing(path)) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise Foreign(f"{path} is no arena, as it is not a regular file") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Foreign(f"{path} is no arena, as it is not a regular file")
        if os.pread(fd, WORD, 0) != ARENA_MAGIC.to_bytes(WORD, "little"):
            raise Foreign(f"{path} is no arena: it does not start as one does")
    except BaseException:
        os.close(fd)
        raise
    return fd


def _missing(path: str) -> str:
    folder, name = os.path.split(path)
    if folder != named.FOLDER:
        return f"there is no {path}; give the path of a file that holds an arena"
    if os.path.exists(name):
        return f"there is no arena named {name}; for the file here say ./{name}"
    return f"there is no arena named {name}; `pagebuddy ls` lists those that there are"


def told(path: str) -> str:
    """What people call the arena at a path.

    >>> told("/dev/shm/frames"), told("./store.pb")
    ('frames', './store.pb')
    """
    folder, name = os.path.split(path)
    return name if folder == named.FOLDER else path


def attached(path: str) -> Arena:
    """Attach to the arena at a path, as any process does. Raises what that raises."""
    folder, name = os.path.split(path)
    return Arena.attach(name) if folder == named.FOLDER else Arena.file(path)


def named_arenas() -> Iterator[tuple[str, bool]]:
    """The paths of what may be named arenas, by name, and whether this process may read them."""
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
            # Others come and go meanwhile.
            continue
        else:
            os.close(fd)
            yield str(path), True


def complete(incomplete: str) -> list[str]:
    """The named arenas whose names begin so, for a shell."""
    names = [told(path) for path, readable in named_arenas() if readable]
    return [name for name in names if name.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The arena's name, or the path of a file that holds one, with a slash in it.",
        autocompletion=complete,
    ),
]
"""The argument of verbs that work on one arena."""
