"""Arenas as they are at one moment, for those who only look."""

from __future__ import annotations

import errno
import mmap
import os
from typing import TYPE_CHECKING, Any

from pagebuddy.arena.view import ArenaUpkeep
from pagebuddy.engine import ENGINE
from pagebuddy.errors import CorruptMetadata
from pagebuddy.memory.given import Given
from pagebuddy.memory.mapping import identity_of
from pagebuddy.sharing.joining import attaching
from pagebuddy.sharing.layout import WORD, Layout
from pagebuddy.sharing.system import lease
from pagebuddy.sharing.words import A_BYTES, ARENA_WORDS, LOCK_NONE
from pagebuddy.tools.arenas.lookup import opened, told

if TYPE_CHECKING:
    from typing import Self

# How often a copy is taken anew that others were at work in.
_COPIES = 20


class Snapshot(ArenaUpkeep):
    """A private copy of everything in an arena but the pages, with what can be asked of an arena.

    These hold:
    - The arena is read, and nothing else: no slot is taken, no lock, nobody is reaped, nobody waits.
      What is mended here is the copy.
    - It is read, not mapped: a file that is cut short meanwhile ends nobody.
    - Others may be at work meanwhile. Then some words are older than others; unless `mend` is false, all
      that can contradict the records is made anew from them.
    - With `mend` every byte is there that its header tells of. Else the last `missing` ones may not be;
      of those that are missing here, all are 0.

    Raises `ArenaNotFound`, `Foreign`, `CorruptMetadata` for an arena that is damaged beyond mending,
    OSError. Cost: reading what was ever used of the metadata, 16 bytes a page.

    >>> from pagebuddy import Arena
    >>> name = f"example-{os.getpid()}"
    >>> with Arena.create(name, "1 MiB") as arena, arena.alloc(5000):
    ...     with Snapshot(f"/dev/shm/{name}") as snapshot:
    ...         snapshot.stats().used_bytes, snapshot.stats().processes, arena.unlink()
    (8192, 1, True)
    """

    def __init__(self, path: str, *, mend: bool = True) -> None:
        self.path = path
        self.name = told(path)
        self.fd = opened(path)
        try:
            header = memoryview(os.pread(self.fd, ARENA_WORDS * WORD, 0))
            words = header.cast("Q").tolist() if len(header) == ARENA_WORDS * WORD else ()
            there = os.fstat(self.fd).st_size
            length = words[A_BYTES] if words and not mend else 0
            self.layout = Layout.read(words, max(there, length))
            self.missing = max(self.layout.n_bytes - there, 0)
            self._take(mend)
        except BaseException:
            os.close(self.fd)
            raise

    def _take(self, mend: bool) -> None:
        for left in reversed(range(_COPIES)):
            self._attachment = _copied(self.fd, self.layout)
            try:
                if mend:
                    self.recover()
            except CorruptMetadata:
                if left == 0 or not self.is_in_use:
                    raise
            else:
                return

    @property
    def _open(self) -> Any:
        return self._attachment

    @property
    def words(self) -> Any:
        """All words before the pages."""
        return self._attachment.memory

    @property
    def is_in_use(self) -> bool:
        """Whether any process is attached to the arena now, and alive."""
        return lease.any_is_taken(self.fd, self.layout.n_slots)

    def as_dict(self) -> dict[str, object]:
        """The figures of `stats()` and the arena's name, ready for JSON."""
        return {"name": self.name, "path": os.path.abspath(self.path)} | self.stats().as_dict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        os.close(self.fd)


class _Copied(Given):
    """Memory of this process alone that stands for an arena's."""

    KIND = "a copy"
    shared = True  # so that it is asked who is alive

    def __init__(self, memory: mmap.mmap, fd: int) -> None:
        super().__init__(memory)
        self._fd = fd
        self.identity = identity_of(os.fstat(fd))

    def fileno(self) -> int:
        """The arena's descriptor."""
        return self._fd


def _copied(fd: int, layout: Layout) -> Any:
    """The engine's object for a copy of an arena, where nobody else can be at work."""
    memory = mmap.mmap(-1, layout.data_at, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    view = memoryview(memory)
    at, n = 0, -1
    while n and at < layout.data_at:
        try:
            # What was never stored takes no room, here or there.
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break
        end = min(os.lseek(fd, at, os.SEEK_HOLE), layout.data_at)
        n = os.preadv(fd, [view[at:end]], at) if at < end else 0
        at += n
    return attaching.adopted(ENGINE, layout._replace(lock=LOCK_NONE), _Copied(memory, fd))
