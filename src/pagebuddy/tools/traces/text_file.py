"""The text of a file in pieces of whole lines, in bounded memory. Used by `trace`."""

from __future__ import annotations

from collections.abc import Iterator

from pagebuddy.tools.traces.content import Content, Damaged

LONGEST_LINE = 1 << 16


class TextFile:
    """The lines of a file: iterate over pieces of at most about 1 MiB, each ending with a newline.

    Raises `TraceError`, which names the first line that could not be read.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "two.txt")
    ...     _ = path.write_text("one\\ntwo")
    ...     b"".join(TextFile(Content(path)))
    b'one\\ntwo\\n'
    """

    def __init__(self, content: Content) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        lines = 0
        rest = b""
        blocks = iter(self._content)
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
                found = f"the line is longer than {LONGEST_LINE:,} bytes"
                raise self._content.error(lines + 1, found, "this file is probably not a trace")
        if rest:
            yield rest + b"\n"

    def _next(self, blocks: Iterator[bytes], line: int) -> bytes:
        """The next block, empty at the end. `line` is the first incomplete line, for an error."""
        try:
            return next(blocks, b"")
        except Damaged as damaged:
            raise self._content.error(line, damaged.found, damaged.advice) from damaged
