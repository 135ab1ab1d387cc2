"""Writes a trace into a file, which gets its name only when it is complete. Used by `record`."""

from __future__ import annotations

import os
import stat
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pagebuddy.arena.recording import note
from pagebuddy.tools.recording.page_lines import lines
from pagebuddy.tools.recording.timed_events import TimedEvents
from pagebuddy.tools.traces.page_csv import HEADER

if TYPE_CHECKING:
    from typing import Self

_GZIP = 31  # zlib's code for gzip's header and checksum and the largest window
_LEVEL = 1  # fast, because the recorder must keep up with the kernel


class TraceWriter:
    """Writes a trace, gzipped if the name ends in .gz. A context manager.

    An existing file of that name stays as it is until `publish` replaces it; without `publish` nothing
    changes. `n_allocs`, `n_frees`, `failed` and `lost` count the events written. Raises `ValueError` if
    the path is not a regular file, `OSError` if the folder is not writable.

    >>> import gzip, tempfile
    >>> import numpy as np
    >>> times, kinds, served = np.array([1, 2], "u8"), np.array([True, False]), np.array([True] * 2)
    >>> events = TimedEvents(times, kinds, served, np.array([256, 256], "u8"), np.zeros(2, "u1"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "trace.csv.gz")
    ...     with TraceWriter(path) as writer:
    ...         writer.write(events)
    ...         _ = writer.publish()
    ...     gzip.decompress(path.read_bytes()), os.listdir(folder)
    (b'event,pfn,order\\nalloc,256,0\\nfree,256,0\\n', ['trace.csv.gz'])
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # Replace the target of a symbolic link, not the link.
        self.path = Path(os.path.realpath(path))
        if self.path.exists() and not stat.S_ISREG(self.path.stat().st_mode):
            raise ValueError(f"cannot write a trace to {path}: it exists and is not a regular file")
        self.n_allocs = self.n_frees = self.failed = self.lost = 0
        self._draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        self._compressor = (
            zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP) if self.path.suffix == ".gz" else None
        )

    def __enter__(self) -> Self:
        try:
            self._file = open(self._draft, "xb")
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"cannot write {self.path}: the folder {self.path.parent} does not exist"
            ) from error
        try:
            self._put(HEADER + b"\n")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        try:
            # A draft is thrown away, so what the disk has no room for is not missed.
            with suppress(OSError):
                self._file.close()
        finally:
            self._draft.unlink(missing_ok=True)

    def write(self, events: TimedEvents) -> None:
        """Write events, and count failed allocations in a comment."""
        failed = int(np.count_nonzero(~events.served))
        if failed:
            events = events.take(events.served)
        n_allocs = int(np.count_nonzero(events.is_alloc))
        self.n_allocs += n_allocs
        self.n_frees += events.pfn.size - n_allocs
        self.failed += failed
        self._put(lines(events.is_alloc, events.pfn, events.order) + note("failed", failed))

    def write_lost(self, count: int) -> None:
        """Write a comment with the number of lost events."""
        self.lost += count
        self._put(note("lost", count))

    def publish(self) -> int:
        """Put the complete trace under its name; return its size in bytes."""
        if self._compressor is not None:
            self._file.write(self._compressor.flush())
        self._file.flush()
        os.replace(self._draft, self.path)
        return os.fstat(self._file.fileno()).st_size

    def _put(self, text: bytes) -> None:
        self._file.write(text if self._compressor is None else self._compressor.compress(text))
