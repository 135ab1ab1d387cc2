"""A file at any path: memory that outlasts its processes, and orderly restarts of the machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pagebuddy.memory import system
from pagebuddy.memory.linked import Linked
from pagebuddy.memory.options import PLAIN, Options

if TYPE_CHECKING:
    from typing import Self


class File(Linked):
    """A file, mapped. What is stored reaches the disk when the system likes, or by `flush`.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> made = File.make(folder.name + "/store", "1 MiB")
    >>> made.memory[0] = 7
    >>> made.publish()
    >>> made.flush()
    >>> File.open(folder.name + "/store").memory[0]
    7
    >>> folder.cleanup()
    """

    KIND = "a file"
    FOUND_BY = "f"
    outlasts_power = True
    SUPPORTS = frozenset({"reserve", "populate", "mode"})

    @classmethod
    def make(cls, path: str | os.PathLike[str], size: object, options: Options = PLAIN) -> Self:
        """Make a file that will have a path, once it is published.

        size is in bytes or as text; it is rounded up to whole pages. Raises TypeError and ValueError for
        bad arguments, `OutOfPages` where what is to be reserved cannot be had, OSError where the folder
        is missing, closed to this process, or on a file system that cannot be mapped. Whether the path
        is taken is told by `publish`.
        """
        return cls._made(_absolute(path), size, options)

    @classmethod
    def open(cls, path: str | os.PathLike[str], options: Options = PLAIN) -> Self:
        """Map all of a file that exists.

        Raises `ArenaNotFound`, and ValueError for what cannot be trusted: see `open_sound`.
        """
        return cls._opened(_absolute(path), options)

    @property
    def place(self) -> str:
        """What `open` takes to find it."""
        return self.path

    def flush(self) -> None:
        """Write everything to the disk, the file's name too; return when it is there.

        Raises OSError. Cost: that of the disk, for what was stored since the last time.
        """
        system.write_out(self.address, self.size)
        folder = os.open(os.path.dirname(self.path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _absolute(path: str | os.PathLike[str]) -> str:
    """The path as it will be found after a change of folder."""
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise TypeError(f"path is {path!r}; it must be text or a path object")
    if not text or text.endswith("/"):
        raise ValueError(f"path is {text!r}; it must name a file")
    return os.path.abspath(text)
