"""The bytes of a file, gzipped or not, in blocks of bounded size. Used by `trace` and its readers."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile, GzipFile
from io import BufferedReader
from pathlib import Path

from pagebuddy.tools.traces.events import TraceError

BLOCK = 1 << 20

_GZIP_MAGIC = b"\x1f\x8b"


class Damaged(Exception):
    """Compressed content ends too soon or cannot be read; `found` says which."""

    advice = "the file is damaged or incomplete: record or copy it again"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(found)


class Content:
    """The content of a file, to be read once: iterate over blocks of at most 1 MiB.

    Gzip is recognised from the content. Opening or reading raises `TraceError` if the system refuses,
    and `Damaged` when it reaches gzip data that is damaged or incomplete. The file may be a pipe.

    >>> import gzip, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "one.gz")
    ...     _ = path.write_bytes(gzip.compress(b"one"))
    ...     content = Content(path)
    ...     content.first(), b"".join(content)
    (b'one', b'one')
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._read = 0
        self._size = 0
        self._blocks = self._guarded()
        self._first: bytes | None = None

    @property
    def done(self) -> float:
        """The share of the file that was read, from 0 to 1; always 0 for a pipe."""
        return min(self._read / self._size, 1.0) if self._size else 0.0

    def error(self, line: int | None, found: str, advice: str) -> TraceError:
        """Make an error about this file."""
        return TraceError(str(self.path), line, found, advice)

    def first(self) -> bytes:
        """The first block, empty for an empty file. Call it before iterating, which yields it again."""
        if self._first is None:
            self._first = next(self._blocks, b"")
        return self._first

    def __iter__(self) -> Iterator[bytes]:
        if first := self.first():
            yield first
        yield from self._blocks

    def stream(self) -> BufferedReader:
        """The content as a binary file object."""
        return BufferedReader(_Stream(iter(self)), BLOCK)

    def _guarded(self) -> Iterator[bytes]:
        try:
            with open(self.path, "rb") as raw:
                self._size = os.fstat(raw.fileno()).st_size
                data = GzipFile(fileobj=raw) if self._is_gzip(raw) else raw
                # One read of the file at a time, so that the text before any damage is yielded.
                while block := data.read1(BLOCK):
                    # A pipe has no size and no position.
                    self._read = raw.tell() if self._size else 0
                    yield block
        except EOFError:
            raise Damaged("the gzip data ends too soon") from None
        except (BadGzipFile, zlib.error) as error:
            raise Damaged(f"the gzip data cannot be read ({error})") from error
        except OSError as error:
            advice = "check the name and the permissions"
            raise self.error(None, error.strerror or str(error), advice) from error

    def _is_gzip(self, raw: BufferedReader) -> bool:
        if raw.peek(2)[:2] == _GZIP_MAGIC:
            return True
        if self.path.suffix == ".gz":
            advice = "compress it with gzip, or remove .gz from its name"
            raise self.error(None, "the name ends in .gz but the content is not gzip", advice)
        return False


class _Stream(io.RawIOBase):
    """Blocks as a raw file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        n = min(len(room), len(self._rest))
        room[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        return n
