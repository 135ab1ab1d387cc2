"""Writing a trace: CSV, gzipped where the name says so, and under its name only when it is whole."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pagebuddy.tools import page_csv
from pagebuddy.tools.events import Events

if TYPE_CHECKING:
    from typing import Self

_GZIP = 31  # zlib's way to say: with gzip's header and checksum, the largest window
_LEVEL = 1  # the recorder must keep up with the kernel


class TraceWriter:
    """A trace on its way into a file; a context manager that discards what was not published.

    A file that has the name already stays untouched until `publish` replaces it. ValueError where
    the name is no file's, OSError where the folder cannot be written to. `n_allocs`, `n_frees`,
    `failed` and `lost` count what was written.

    >>> import tempfile
    >>> from pagebuddy.tools.trace import Trace
    >>> from pagebuddy.tools.page_csv import parse
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "trace.csv.gz")
    ...     with TraceWriter(path) as writer:
    ...         writer.write(parse(b"alloc,256,0\\nfree,256,0\\n"))
    ...         _ = writer.publish()
    ...     [events.pfn.tolist() for events in Trace(path)], os.listdir(folder)
    ([[256, 256]], ['trace.csv.gz'])
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # A link stays a link: what it leads to is replaced.
        self.path = Path(os.path.realpath(path))
        if self.path.exists() and not stat.S_ISREG(self.path.stat().st_mode):
            raise ValueError(f"cannot write a trace to {path}: it is there and is no file")
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
                f"cannot write {self.path}: there is no folder {self.path.parent}"
            ) from error
        try:
            self._put(page_csv.HEADER + b"\n")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._file.close()
        self._draft.unlink(missing_ok=True)

    def write(self, events: Events) -> None:
        """Add events, and what they count as failed and lost. OSError where the disk is full."""
        n_allocs = int(events.is_alloc.sum())
        self.n_allocs += n_allocs
        self.n_frees += events.pfn.size - n_allocs
        self.failed += events.failed
        self.lost += events.lost
        self._put(page_csv.render(events))

    def publish(self) -> int:
        """Let it appear under its name, whole; its size in bytes. OSError where the disk is full."""
        if self._compressor is not None:
            self._file.write(self._compressor.flush())
        self._file.flush()
        os.replace(self._draft, self.path)
        return os.fstat(self._file.fileno()).st_size

    def _put(self, text: bytes) -> None:
        self._file.write(text if self._compressor is None else self._compressor.compress(text))
