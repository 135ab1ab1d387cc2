"""The text of a file, in stretches of whole lines and bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

from pagebuddy.tools.traces.content import Content, Damaged

LONGEST_LINE = 1 << 16


class TextFile:
    """A file of text; iterate it for stretches of about a megabyte, each ended by a newline.

    What is wrong is a `TraceError`, which names the first line that could not be read.

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
                advice = f"allowed are {LONGEST_LINE} bytes; is this a trace?"
                raise self._content.error(lines + 1, "a line without an end", advice)
        if rest:
            yield rest + b"\n"

    def _next(self, blocks: Iterator[bytes], line: int) -> bytes:
        """The next block, empty at the end. `line` is the first that is not whole yet."""
        try:
            return next(blocks, b"")
        except Damaged as damaged:
            raise self._content.error(line, damaged.found, damaged.advice) from damaged
