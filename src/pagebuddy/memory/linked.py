"""What named memory and files have in common: a path."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from pagebuddy.memory import room
from pagebuddy.memory.draft import Draft
from pagebuddy.memory.huge import Huge
from pagebuddy.memory.mapped import Mapped, closed_if_it_fails, resize
from pagebuddy.memory.mapping import identity_of
from pagebuddy.memory.options import Options
from pagebuddy.memory.sizes import bytes_of, rounded_up
from pagebuddy.memory.soundness import open_sound

if TYPE_CHECKING:
    from typing import Self


class Linked(Mapped):
    """A medium with a path. It is made without one, filled, then seen whole: see `publish`."""

    def __init__(self, fd: int, n_bytes: int, path: str, options: Options, huge: Huge) -> None:
        """Map the file fd, which is this object's, also when it raises."""
        self.path = path
        self._draft: Draft | None = None
        self.limited = not options.reserve
        super().__init__(fd, n_bytes, options, huge)

    @classmethod
    def _made(cls, path: str, size: object, options: Options, *, nameless: bool = True) -> Self:
        """Make a file that will have this path."""
        n_bytes = rounded_up(bytes_of(size), mmap.PAGESIZE)
        huge = options.check(cls.KIND, cls.SUPPORTS)
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
        """Map a file that has this path, all of it."""
        huge = options.check(f"{cls.KIND} that exists", cls.SUPPORTS - {"mode"})
        fd = open_sound(path)
        with closed_if_it_fails(fd):
            n_bytes = os.fstat(fd).st_size
        return cls(fd, n_bytes, path, options, huge)

    def _room(self, fd: int) -> int | None:
        return room.in_file_system(fd)

    def _allocate_unseen(self, fd: int, offset: int, length: int) -> None:
        if self._draft is not None:
            os.posix_fallocate(fd, offset, length)

    def publish(self) -> None:
        """Let the file be seen under its path, whole, from one moment to the next.

        Raises `ArenaExists` where the path is taken: then this one stays unseen for good, and vanishes
        with its last view. Of several that publish at once, one wins. A second call does nothing.
        """
        if self._draft is not None:
            self._draft.publish(self.path)
            self._draft = None

    def is_linked(self) -> bool:
        """Whether the file still has a name, here or elsewhere; if not, nobody will find it again."""
        return os.fstat(self.fileno()).st_nlink > 0

    def unlink(self) -> bool:
        """Remove the path, if it still leads to this file; return whether it did.

        Whoever has the file goes on with it. Raises `ArenaClosed` after `close`: only while the file is
        open can no other have its number.
        """
        try:
            if identity_of(os.lstat(self.path)) != self.identity:
                return False
            os.unlink(self.path)
        except FileNotFoundError:
            return False
        return True
