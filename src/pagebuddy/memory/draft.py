"""A file in the making, which appears under its name whole and at once, or never."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress

from pagebuddy.errors import ArenaExists

_OPEN_DESCRIPTORS = "/proc/self/fd"

# What file systems and kernels answer that have no files without names.
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR)


class Draft:
    """A new, empty file in a folder, without a name where the file system can do that.

    Else its name is `.pagebuddy-` and 32 random digits, and a process that ends before `publish` leaves
    that behind. `fd` is the caller's to close.
    """

    def __init__(self, folder: str, mode: int, *, nameless: bool = True) -> None:
        """Make the file. Raises OSError where the folder is missing, or must not be written."""
        self.temporary: str | None = None
        self._maker = os.getpid()
        self.fd = -1
        if nameless and os.path.exists(_OPEN_DESCRIPTORS):
            try:
                self.fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, mode)
            except OSError as error:
                if error.errno not in _NO_NAMELESS:
                    raise
        if self.fd < 0:
            name = os.path.join(folder, f".pagebuddy-{secrets.token_hex(16)}")
            self.fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR, mode)
            self.temporary = name
        try:
            # The process's umask is for files of which nobody said what they shall be.
            os.fchmod(self.fd, mode)
        except BaseException:
            os.close(self.fd)
            self.discard()
            raise

    def publish(self, path: str) -> None:
        """Give the file its name. Raises `ArenaExists` where it is taken, and the draft is done for."""
        source = self.temporary or f"{_OPEN_DESCRIPTORS}/{self.fd}"
        try:
            # Only with src_dir_fd does this follow the link in /proc to the file itself.
            os.link(source, path, src_dir_fd=self.fd, follow_symlinks=self.temporary is None)
        except FileExistsError:
            self.discard()
            raise ArenaExists(
                f"{path} exists; attach to it, open it, or choose another name"
            ) from None
        self.discard()

    def discard(self) -> None:
        """Remove the temporary name, if there is one and this is not a forked copy."""
        if self.temporary is not None and self._maker == os.getpid():
            with suppress(FileNotFoundError):
                os.unlink(self.temporary)
            self.temporary = None
