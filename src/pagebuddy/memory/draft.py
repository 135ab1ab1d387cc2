"""A new file that gets its name only when it is complete. Used by `linked`."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from pagebuddy.errors import ArenaExists
from pagebuddy.memory.descriptors import descriptor_for

_OPEN_DESCRIPTORS = "/proc/self/fd"

# Errors of file systems and kernels that do not support files without names.
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR)


class Draft:
    """A new, empty file in a folder, which has no name yet.

    If the file system does not support files without names, its name is `.pagebuddy-` and 32 random
    hexadecimal digits. Only then can a process that ends before `publish` leave a file behind. The
    caller closes `fd`.
    """

    def __init__(self, folder: str, mode: int, *, nameless: bool = True) -> None:
        """Create the file. Raises OSError if the folder does not exist or cannot be written."""
        self.temporary: str | None = None
        self._maker = os.getpid()
        self.fd = -1
        if nameless and os.path.exists(_OPEN_DESCRIPTORS):
            try:
                with descriptor_for(f"a new file in {folder}"):
                    self.fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, mode)
            except OSError as error:
                if error.errno not in _NO_NAMELESS:
                    raise
        if self.fd < 0:
            name = os.path.join(folder, f".pagebuddy-{os.urandom(16).hex()}")
            with descriptor_for(f"a new file in {folder}"):
                self.fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR, mode)
            self.temporary = name
        try:
            # The caller chose the mode, so the process's umask must not change it.
            os.fchmod(self.fd, mode)
        except BaseException:
            os.close(self.fd)
            self.discard()
            raise

    def publish(self, path: str) -> None:
        """Give the file its name. Raises `ArenaExists` if it is taken; then the draft is discarded."""
        source = self.temporary or f"{_OPEN_DESCRIPTORS}/{self.fd}"
        try:
            # With src_dir_fd, Python calls linkat, which can follow the link in /proc to the file.
            os.link(source, path, src_dir_fd=self.fd, follow_symlinks=self.temporary is None)
        except FileExistsError:
            self.discard()
            raise ArenaExists(
                f"{path} exists; attach to it, open it, or choose another name"
            ) from None
        self.discard()

    def discard(self) -> None:
        """Remove the temporary name, if there is one and this process created it (no forked copy)."""
        if self.temporary is not None and self._maker == os.getpid():
            with suppress(FileNotFoundError):
                os.unlink(self.temporary)
            self.temporary = None
