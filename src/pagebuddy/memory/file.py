"""A file at any path: memory that outlives its processes, and a restart of the machine."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pagebuddy.memory import system
from pagebuddy.memory.descriptors import descriptor_for
from pagebuddy.memory.linked import Linked
from pagebuddy.memory.mapping import identity_of
from pagebuddy.memory.options import PLAIN, Options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self


class File(Linked):
    """A mapped file. The system writes changes to the disk at any time; `flush` writes them now.

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
        """Create a file that gets its path at `publish`.

        `size` is in bytes or text, and is rounded up to whole pages. Raises TypeError and ValueError
        for wrong arguments, `OutOfPages` if there is not enough disk space to reserve, and OSError if
        the folder does not exist, cannot be written, or is on a file system that cannot be mapped. An
        existing path is noticed only by `publish`.
        """
        return cls._made(_absolute(path), size, options)

    @classmethod
    def open(cls, path: str | os.PathLike[str], options: Options = PLAIN) -> Self:
        """Map a whole file that exists. Raises what `open_sound` raises."""
        return cls._opened(_absolute(path), options)

    @property
    def place(self) -> str:
        """The absolute path, as `open` takes it."""
        return self.path

    def flush(self) -> None:
        """Write all changes so far, and the file's name, to the disk; return when they are there.

        If the file has no name any more, only the changes are written. Raises OSError. Takes as long as
        the disk needs for the changes since the last flush.
        """
        system.write_out(self.address, self.size)
        for path in self._paths_now():
            try:
                with descriptor_for(f"the folder of {path}, to write the file's name to the disk"):
                    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
            except (FileNotFoundError, NotADirectoryError):
                continue
            try:
                if self._is_in(folder, os.path.basename(path)):
                    os.fsync(folder)
                    return
            finally:
                os.close(folder)

    def _paths_now(self) -> Iterator[str]:
        """Paths at which the file may be: the one that it was opened by, and where it is by now."""
        yield self.path
        with suppress(OSError):
            path = os.readlink(f"/proc/self/fd/{self.fileno()}")
            yield path
            # Of a file that was made without a name, the system knows the folder but not the name.
            yield os.path.join(os.path.dirname(path), os.path.basename(self.path))

    def _is_in(self, folder: int, name: str) -> bool:
        """Whether the name in an open folder is this file's."""
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return False
        return identity_of(status) == self.identity


def _absolute(path: str | os.PathLike[str]) -> str:
    """The absolute path, which stays correct if the process changes its working directory."""
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise TypeError(f"path is {path!r}; it must be text or a path object")
    if not text or text.endswith("/"):
        raise ValueError(f"path is {text!r}; it must name a file")
    return os.path.abspath(text)
