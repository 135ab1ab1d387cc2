"""The text of a file, gzipped or not, in stretches of whole lines and bounded memory."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from pagebuddy.tools.events import TraceError

BLOCK = 1 << 20
COMPRESSED_BLOCK = 1 << 18
LONGEST_LINE = 1 << 16

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's way to say: gzip's header and checksum, the largest window


class TextFile:
    """A file of text; iterate it for stretches of about a megabyte, each ended by a newline.

    Whether it is gzip is told from its content. What is wrong is a `TraceError`, which names the
    first line that could not be read. `done` is the share of the file read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "two.txt")
    ...     _ = path.write_text("one\\ntwo")
    ...     b"".join(TextFile(path))
    b'one\\ntwo\\n'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._read = 0
        self._size = 0

    @property
    def done(self) -> float:
        """The share of the file that was read, from 0 to 1."""
        return min(self._read / self._size, 1.0) if self._size else 0.0

    def error(self, line: int | None, found: str, advice: str) -> TraceError:
        """An error about this file."""
        return TraceError(str(self.path), line, found, advice)

    def __iter__(self) -> Iterator[bytes]:
        lines = 0
        rest = b""
        try:
            with open(self.path, "rb") as raw:
                self._size = os.fstat(raw.fileno()).st_size
                blocks = self._blocks(raw)
                while block := self._next(blocks, lines + rest.count(b"\n") + 1):
                    end = block.rfind(b"\n") + 1
                    if end:
                        text = rest + block[:end]
                        rest = block[end:]
                        yield text
                        lines += text.count(b"\n")
                    else:
                        rest += block
                    if len(rest) > LONGEST_LINE:
                        advice = f"allowed are {LONGEST_LINE} bytes; is this a trace?"
                        raise self.error(lines + 1, "a line without an end", advice)
        except OSError as error:
            advice = "check the name and the permissions"
            raise self.error(None, error.strerror or str(error), advice) from error
        if rest:
            yield rest + b"\n"

    def _next(self, blocks: Iterator[bytes], line: int) -> bytes:
        """The next block, empty at the end. `line` is the first that is not whole yet."""
        advice = "the file is damaged or was cut short: record or copy it again"
        try:
            return next(blocks, b"")
        except EOFError:
            raise self.error(line, "the gzip data ends too soon", advice) from None
        except zlib.error as error:
            raise self.error(line, f"the gzip data cannot be read ({error})", advice) from error

    def _blocks(self, raw: BufferedReader) -> Iterator[bytes]:
        """The file's content, decompressed; EOFError or zlib.error where that fails."""
        if raw.peek(2)[:2] == _GZIP_MAGIC:
            yield from self._inflated(raw)
            return
        if self.path.suffix == ".gz":
            advice = "compress it with gzip, or drop the .gz from its name"
            raise self.error(None, "the name ends in .gz but the content is not gzip", advice)
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
