"""Recorded page streams, whichever their format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pagebuddy.tools import ftrace, page_csv
from pagebuddy.tools.events import BadLine, Events, TraceError, quote
from pagebuddy.tools.text_file import TextFile

__all__ = ["Trace", "TraceError"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Trace:
    """A trace in a file. Iterate it for its `Events`, stretch by stretch; it is read each time.

    The format, CSV or ftrace text, and whether it is gzip are told from the content. Memory stays
    bounded by a stretch, about 60,000 events. What is wrong with the file is a `TraceError`,
    raised when the reading comes to it.

    Up to where the reading is: `n_events`; how many allocations of the recorded system `failed`;
    how many events its recorder `lost`; and `done`, the share of the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "small.csv")
    ...     _ = path.write_text("event,pfn,order\\nalloc,256,0\\nalloc,512,9\\nfree,256,0\\n")
    ...     [events.order.tolist() for events in Trace(path)]
    [[0, 9, 0]]
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.n_events = 0
        self.failed = 0
        self.lost = 0
        self._file = TextFile(self.path)

    @property
    def done(self) -> float:
        """The share of the file that was read, from 0 to 1."""
        return self._file.done

    def __iter__(self) -> Iterator[Events]:
        self.n_events = self.failed = self.lost = 0
        self._file = TextFile(self.path)
        line = 1
        parse: Callable[[bytes], Events] | None = None
        for text in self._file:
            if parse is None:
                parse, header = self._format(text)
                line += text.count(b"\n", 0, header)
                text = text[header:]
            try:
                events = parse(text)
            except BadLine as bad:
                raise self._file.error(line + bad.index, bad.found, bad.advice) from None
            line += text.count(b"\n")
            self.n_events += events.pfn.size
            self.failed += events.failed
            self.lost += events.lost
            yield events
        if parse is None:
            advice = f"a trace without events still has its header, {page_csv.HEADER.decode()}"
            raise self._file.error(None, "the file is empty", advice)

    def extent(self) -> tuple[int, int]:
        """The lowest page frame number of all events, and the one behind the highest. Reads it all.

        `TraceError` if there are no events.
        """
        lowest, end = 2**64, 0
        for events in self:
            if events.pfn.size:
                lowest = min(lowest, int(events.pfn.min()))
                ends = events.pfn + (np.uint64(1) << events.order.astype(np.uint64))
                end = max(end, int(ends.max()))
        if end == 0:
            advice = "give the memory to replay it on"
            raise self._file.error(None, "there are no events to tell the memory from", advice)
        return lowest, end

    def _format(self, text: bytes) -> tuple[Callable[[bytes], Events], int]:
        """How to read a file that starts with this text, and how much of the text is header."""
        end = text.index(b"\n")
        first = text[:end].rstrip().removeprefix(_BYTE_ORDER_MARK)
        if first == page_csv.HEADER:
            return page_csv.parse, end + 1
        if ftrace.recognise(first):
            return ftrace.parse, 0
        advice = (
            f"a trace is CSV with the columns {page_csv.HEADER.decode()}, or ftrace text with "
            "mm_page_alloc and mm_page_free events"
        )
        raise self._file.error(1, f"found {quote(first)}", advice)
