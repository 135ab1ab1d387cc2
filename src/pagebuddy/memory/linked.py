"""Base class of the media that have a path: `named` and `file`."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from pagebuddy.errors import ArenaNotFound
from pagebuddy.memory import file_system, room
from pagebuddy.memory.draft import Draft
from pagebuddy.memory.huge import Huge
from pagebuddy.memory.mapped import Mapped, closed_if_it_fails, descriptor_lost, resize
from pagebuddy.memory.mapping import Mapping, identity_of, refers_to
from pagebuddy.memory.options import Options
from pagebuddy.memory.sizes import bytes_of, rounded_up
from pagebuddy.memory.soundness import open_sound

if TYPE_CHECKING:
    from typing import Self


class Linked(Mapped):
    """A medium with a path. It is created without one and filled; then `publish` shows it complete."""

    def __init__(self, fd: int, n_bytes: int, path: str, options: Options, huge: Huge) -> None:
        """Map the first n_bytes of a file, and take over its descriptor, even if this fails."""
        self.path = path
        self._draft: Draft | None = None
        self.limited = not options.reserve
        super().__init__(fd, n_bytes, options, huge)

    @classmethod
    def _made(cls, path: str, size: object, options: Options, *, nameless: bool = True) -> Self:
        """Create a file that gets this path at `publish`."""
        n_bytes = rounded_up(bytes_of(size), mmap.PAGESIZE)
        huge = options.check(cls.KIND, cls.SUPPORTS)
        if not (options.reserve or options.populate):
            file_system.warn_if_too_small(os.path.dirname(path) or ".", n_bytes)
        draft = Draft(os.path.dirname(path), options.permissions, nameless=nameless)
        try:
            with closed_if_it_fails(draft.fd):
                resize(draft.fd, n_bytes, cls.KIND)
            medium = cls(draft.fd, n_bytes, path, options, huge)
        except BaseException:
            draft.discard()
            raise
        medium._draft = draft
        medium.at_end(lambda _: draft.discard())
        return medium

    @classmethod
    def _opened(cls, path: str, options: Options) -> Self:
        """Map a whole file that exists."""
        huge = options.check(f"{cls.KIND} that exists", cls.SUPPORTS - {"mode"})
        fd = open_sound(path)
        with closed_if_it_fails(fd):
            n_bytes = os.fstat(fd).st_size
        return cls(fd, n_bytes, path, options, huge)

    def _opened_again(self, mapping: Mapping) -> int:
        try:
            fd = open_sound(self.path)
        except (OSError, ValueError, ArenaNotFound) as error:
            raise descriptor_lost(
                self.KIND, mapping, f"it cannot be opened again: {error}"
            ) from error
        with closed_if_it_fails(fd):
            if not refers_to(fd, mapping.identity):
                raise descriptor_lost(self.KIND, mapping, f"{self.path} is another file")
        return fd

    def _room(self, fd: int) -> int | None:
        return room.in_file_system(fd)

    def _reason(self, n_bytes: int) -> str:
        return file_system.why_full(os.path.dirname(self.path) or ".", n_bytes)

    def _allocate_unseen(self, fd: int, offset: int, length: int) -> None:
        if self._draft is not None:
            os.posix_fallocate(fd, offset, length)

    def publish(self) -> None:
        """Link the file to its path, so that other processes can find it. They see it complete.

        Raises `ArenaExists` if the path is taken; then this file can never be published, and vanishes
        with its last view. If several processes publish at once, one succeeds. A second call does
        nothing.
        """
        if self._draft is not None:
            # The draft links what its descriptor refers to.
            if not self._open.is_open():
                raise descriptor_lost(self.KIND, self._open, "it has no name yet")
            self._draft.publish(self.path)
            self._draft = None

    def is_linked(self) -> bool:
        """Return whether the file still has a name, under this path or another one."""
        return os.fstat(self.fileno()).st_nlink > 0

    def leads_here(self) -> bool:
        """Return whether the path leads to this file."""
        try:
            return identity_of(os.lstat(self.path)) == self.identity
        except OSError:
            return False

    def unlink(self) -> bool:
        """Remove the path, if it still refers to this file; return whether it did.

        Processes that have the file open keep using it. Raises `ArenaClosed` after `close`, because
        only an open file's inode number cannot be reused for another file.
        """
        try:
            if identity_of(os.lstat(self.path)) != self.identity:
                return False
            os.unlink(self.path)
        except FileNotFoundError:
            return False
        return True
