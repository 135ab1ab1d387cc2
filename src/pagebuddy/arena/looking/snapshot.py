"""A copy of an arena's metadata, taken without attaching."""

from __future__ import annotations

import errno
import mmap
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from pagebuddy.arena.looking.files import opened, told
from pagebuddy.arena.view import ArenaView
from pagebuddy.core.words import FIRST_NODE, H_HIGH_WATER, HEADER_WORDS
from pagebuddy.engine import COMPILED, ENGINE
from pagebuddy.errors import ArenaNotFound, CorruptMetadata
from pagebuddy.memory.given import Given
from pagebuddy.memory.mapping import identity_of
from pagebuddy.sharing.joining import attaching
from pagebuddy.sharing.joining.telling import name_of
from pagebuddy.sharing.layout import WORD, Layout
from pagebuddy.sharing.system import lease
from pagebuddy.sharing.system.descriptors import look_again
from pagebuddy.sharing.words import A_BUSY, A_BYTES, ARENA_WORDS, LOCK_NONE, OP_REPAIR

if TYPE_CHECKING:
    from typing import Self

    from pagebuddy.sharing.attached import Attached

# The number of attempts at a copy while other processes change the arena.
_COPIES = 20

# About what it takes to copy, mend and count a page, if each is a buffer.
_PAGE_S = 200e-9 if COMPILED else 30e-6


class Snapshot(ArenaView):
    """A private copy of an arena's metadata (everything but the pages), which can be observed.

    Invariants:
    - The arena is only read: no slot, no lock, no reaping, and no other process waits. Repairs change
      only the copy.
    - The file is read, not mapped, so truncating it meanwhile does not crash this process.
    - If other processes change the arena meanwhile, some words of the copy are older than others. With
      `mend`, all state derived from the records is therefore rebuilt.
    - With `mend`, the file has all bytes that its header states. Otherwise the last `missing` bytes may
      be absent; in the copy they are 0.

    - Given a descriptor, it is the snapshot's, and `path` is only its name.
    - Given an `end`, as of `time.monotonic`, it is not begun if it would surely take longer.

    Raises `ArenaNotFound`, TimeoutError, `Foreign` if it is not an arena, `CorruptMetadata` if it cannot
    be repaired, `OSError`. Cost: reads the used part of the metadata, 16 bytes per page.

    >>> from pagebuddy import Arena
    >>> name = f"example-{os.getpid()}"
    >>> with Arena.create(name, "1 MiB") as arena, arena.alloc(5000):
    ...     with Snapshot(f"/dev/shm/{name}") as snapshot:
    ...         snapshot.stats().used_bytes, snapshot.stats().processes, arena.unlink()
    (8192, 1, True)
    """

    def __init__(
        self, path: str, *, mend: bool = True, fd: int | None = None, end: float | None = None
    ) -> None:
        self.path = path
        self.name = told(path)
        self.fd = opened(path) if fd is None else fd
        try:
            header = memoryview(os.pread(self.fd, ARENA_WORDS * WORD, 0))
            words = header.cast("Q").tolist() if len(header) == ARENA_WORDS * WORD else ()
            there = os.fstat(self.fd).st_size
            length = words[A_BYTES] if words and not mend else 0
            self.layout = Layout.read(words, max(there, length))
            self.missing = max(self.layout.n_bytes - there, 0)
            self._pulse = self._pulse_now()
            self._end = end
            self._check_time()
            self._take(mend)
        except BaseException:
            os.close(self.fd)
            raise

    @classmethod
    def of(cls, a: Attached, end: float | None = None) -> Self:
        """A snapshot of an arena that this process has attached, also if it has no name any more."""
        look_again(a)
        made = cls(name_of(a.medium, a.layout.arena_id), fd=os.dup(a.fileno()), end=end)
        if made.layout.arena_id != a.layout.arena_id:
            os.close(made.fd)
            raise ArenaNotFound(
                "the descriptor of the arena was closed, and refers to another file"
            )
        return made

    def _take(self, mend: bool) -> None:
        for left in reversed(range(_COPIES)):
            self._attachment = _copied(self.fd, self.layout)
            try:
                if mend:
                    self.recover()
            except CorruptMetadata:
                if left == 0 or not self.is_in_use:
                    raise
                self._check_time()
            else:
                return

    def _check_time(self) -> None:
        """Raise TimeoutError if the copy of so many pages cannot be ready in time."""
        if self._end is not None:
            at = (self.layout.metadata_at + H_HIGH_WATER) * WORD
            used = int.from_bytes(os.pread(self.fd, WORD, at), sys.byteorder)
            used = min(max(used - FIRST_NODE, 0), self.layout.n_pages)
            if time.monotonic() + used * _PAGE_S > self._end:
                raise TimeoutError(
                    f"{self.path} has {used} pages that were used; this takes too long"
                )

    @property
    def _open(self) -> Any:
        return self._attachment

    def recover(self) -> None:
        """Rebuild all derived state of the copy from the records, as `Arena.recover` does.

        Raises `CorruptMetadata` if a record itself is damaged.
        """
        self._attachment.perform(self._attachment.request(), OP_REPAIR)

    @property
    def words(self) -> Any:
        """All words of the metadata."""
        return self._attachment.memory

    @property
    def is_in_use(self) -> bool:
        """Whether a live process is attached to the arena now."""
        return lease.any_is_taken(self.fd, self.layout.n_slots)

    def is_still_busy(self) -> bool:
        """Whether a living process was in an operation when the copy was taken, and is still there.

        If that lasts, this process is stopped, and all others wait for the lock. If it dies, the next
        one takes over.
        """
        slot = (int.from_bytes(self._pulse[:WORD], sys.byteorder) >> 32) - 1
        return (
            0 <= slot < self.layout.n_slots
            and lease.is_taken(self.fd, slot or 1)
            and self._pulse_now() == self._pulse
        )

    def _pulse_now(self) -> bytes:
        """`A_BUSY`, and other words that operations change; not the mutex, which waiters change."""
        header = os.pread(self.fd, (ARENA_WORDS - A_BUSY) * WORD, A_BUSY * WORD)
        return header + os.pread(self.fd, HEADER_WORDS * WORD, self.layout.metadata_at * WORD)

    def as_dict(self) -> dict[str, object]:
        """The arena's name and path, and the figures of `stats()`, ready for JSON."""
        return {"name": self.name, "path": os.path.abspath(self.path)} | self.stats().as_dict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        os.close(self.fd)


class _Copied(Given):
    """Private memory with a copy of an arena's metadata."""

    KIND = "a copy"
    shared = True  # so that the liveness of processes is checked

    def __init__(self, memory: mmap.mmap, fd: int) -> None:
        super().__init__(memory)
        self._fd = fd
        self.identity = identity_of(os.fstat(fd))

    def fileno(self) -> int:
        """The arena's descriptor."""
        return self._fd


def _copied(fd: int, layout: Layout) -> Any:
    """The engine's attachment to a private copy of an arena's metadata, without a lock."""
    memory = mmap.mmap(-1, layout.data_at, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    view = memoryview(memory)
    at, n = 0, -1
    while n and at < layout.data_at:
        try:
            # Skip holes of the file, so that they need no memory in the copy either.
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break
        end = min(os.lseek(fd, at, os.SEEK_HOLE), layout.data_at)
        n = os.preadv(fd, [view[at:end]], at) if at < end else 0
        at += n
    return attaching.adopted(ENGINE, layout._replace(lock=LOCK_NONE), _Copied(memory, fd))
