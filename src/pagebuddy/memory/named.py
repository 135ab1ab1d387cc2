"""Shared memory under a name, for processes that know nothing of each other but that."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pagebuddy.memory import room
from pagebuddy.memory.linked import Linked
from pagebuddy.memory.options import PLAIN, Options

if TYPE_CHECKING:
    from typing import Self

FOLDER = "/dev/shm"

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", re.ASCII)


class Named(Linked):
    """A file in /dev/shm: memory that stays until it is unlinked or the machine stops.

    >>> name = f"example-{os.getpid()}"
    >>> made = Named.make(name, "64 KiB")
    >>> made.memory[0] = 7
    >>> made.publish()
    >>> Named.open(name).memory[0]
    7
    >>> made.unlink()
    True
    """

    KIND = "named memory"
    FOUND_BY = "n"
    SUPPORTS = frozenset({"reserve", "populate", "transparent", "mode"})

    @classmethod
    def make(cls, name: str, size: object, options: Options = PLAIN) -> Self:
        """Make shared memory that will have a name, once it is published.

        size is in bytes or as text; it is rounded up to whole pages. Raises TypeError and ValueError for
        bad arguments, `OutOfPages` where what is to be reserved cannot be had. Whether the name is taken
        is told by `publish`. Cost: eight system calls, whatever the size.
        """
        return cls._made(path_of(name), size, options)

    @classmethod
    def open(cls, name: str, options: Options = PLAIN) -> Self:
        """Map what has that name.

        Raises `ArenaNotFound`, and ValueError for what cannot be trusted: see `open_sound`.
        """
        return cls._opened(path_of(name), options)

    @property
    def place(self) -> str:
        """What `open` takes to find it."""
        return os.path.basename(self.path)

    def _room(self, fd: int) -> int | None:
        limits = (room.in_memory(), room.in_file_system(fd))
        return min((limit for limit in limits if limit is not None), default=None)


def path_of(name: str) -> str:
    """Return where the memory of that name lies.

    Names are of letters, digits, dots, dashes and underscores, at most 100, and start with no dot.
    Raises TypeError for what is no text, ValueError for other names.

    >>> path_of("frames")
    '/dev/shm/frames'
    """
    if not isinstance(name, str):
        raise TypeError(f"name is {name!r}; it must be text")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"name is {name!r}; use 1 to 100 letters, digits, '.', '-' and '_', and no '.' at the start"
        )
    return os.path.join(FOLDER, name)
