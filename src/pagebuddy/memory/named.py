"""Shared memory with a name, in /dev/shm: processes that know only the name can attach to it."""

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
    """A file in /dev/shm. It exists until it is unlinked or the machine stops.

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
        """Create shared memory that gets its name at `publish`. Takes eight system calls.

        `size` is in bytes or text, and is rounded up to whole pages. Raises TypeError and ValueError
        for wrong arguments, and `OutOfPages` if there is not enough memory to reserve. An existing name
        is noticed only by `publish`.
        """
        return cls._made(path_of(name), size, options)

    @classmethod
    def open(cls, name: str, options: Options = PLAIN) -> Self:
        """Map the memory that has this name. Raises what `open_sound` raises."""
        return cls._opened(path_of(name), options)

    @property
    def place(self) -> str:
        """The name, as `open` takes it."""
        return os.path.basename(self.path)

    def _room(self, fd: int) -> int | None:
        limits = (room.in_memory(), room.in_file_system(fd))
        return min((limit for limit in limits if limit is not None), default=None)


def path_of(name: str) -> str:
    """Return the path of the memory with this name.

    A name has 1 to 100 letters, digits, dots, dashes and underscores, and does not start with a dot.
    Raises TypeError if it is not text, and ValueError for other names.

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
