"""The bytes of a file, gzipped or not, in blocks and bounded memory."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from pagebuddy.tools.traces.events import TraceError

BLOCK = 1 << 20
COMPRESSED_BLOCK = 1 << 18

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's way to say: gzip's header and checksum, the largest window


class Damaged(Exception):
    """Raised where compressed content ends too soon or cannot be read: `found` says which."""

    advice = "the file is damaged or was cut short: record or copy it again"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(found)


class Content:
    """What is in a file, to be read once: iterate it for blocks of at most a megabyte.

    Whether it is gzip is told from the content. A file that cannot be opened or read is a
    `TraceError`; gzip data that breaks off or is wrong is `Damaged`, raised when the reading comes
    to it. `done` is the share of the file read. A pipe will do.

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
        """The share of the file that was read, from 0 to 1."""
        return min(self._read / self._size, 1.0) if self._size else 0.0

    def error(self, line: int | None, found: str, advice: str) -> TraceError:
        """An error about this file."""
        return TraceError(str(self.path), line, found, advice)

    def first(self) -> bytes:
        """The first block, which iterating yields all the same; empty if the file is.

        Only before the reading begins.
        """
        if self._first is None:
            self._first = next(self._blocks, b"")
        return self._first

    def __iter__(self) -> Iterator[bytes]:
        if first := self.first():
            yield first
        yield from self._blocks

    def stream(self) -> BufferedReader:
        """The same as a file of bytes, for readers that want one."""
        return BufferedReader(_Stream(iter(self)), BLOCK)

    def _guarded(self) -> Iterator[bytes]:
        try:
            with open(self.path, "rb") as raw:
                self._size = os.fstat(raw.fileno()).st_size
                yield from self._inflated(raw) if self._is_gzip(raw) else self._plain(raw)
        except OSError as error:
            advice = "check the name and the permissions"
            raise self.error(None, error.strerror or str(error), advice) from error
        except EOFError:
            raise Damaged("the gzip data ends too soon") from None
        except zlib.error as error:
            raise Damaged(f"the gzip data cannot be read ({error})") from error

    def _is_gzip(self, raw: BufferedReader) -> bool:
        if raw.peek(2)[:2] == _GZIP_MAGIC:
            return True
        if self.path.suffix == ".gz":
            advice = "compress it with gzip, or drop the .gz from its name"
            raise self.error(None, "the name ends in .gz but the content is not gzip", advice)
        return False

    def _plain(self, raw: BufferedReader) -> Iterator[bytes]:
        while data := raw.read(BLOCK):
            self._read += len(data)
            yield data

    def _inflated(self, raw: BufferedReader) -> Iterator[bytes]:
        """The content of gzip data, one member after the other."""
        data = raw.read(COMPRESSED_BLOCK)
        self._read = len(data)
        member = zlib.decompressobj(_GZIP_WINDOW)
        while data:
            if text := member.decompress(data, BLOCK):
                yield text
            if member.eof:
                # Zeros may fill up the last member's end.
                data = member.unused_data.lstrip(b"\0")
                member = zlib.decompressobj(_GZIP_WINDOW)
                started = False
            else:
                data = member.unconsumed_tail
                started = True
            if not data:
                data = raw.read(COMPRESSED_BLOCK)
                self._read += len(data)
                data = data if started else data.lstrip(b"\0")
        if started:
            raise EOFError


class _Stream(io.RawIOBase):
    """Blocks as a file."""

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
