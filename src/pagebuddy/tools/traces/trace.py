"""A trace in a file, in any of the formats. Used by replaying."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pagebuddy.arguments import power_of_two
from pagebuddy.tools.traces import byte_csv, ftrace, page_csv, rmm_log, torch_snapshot
from pagebuddy.tools.traces.content import Content, Damaged
from pagebuddy.tools.traces.events import BadLine, Events, Format, TraceError, Unit, quote
from pagebuddy.tools.traces.text_file import TextFile

__all__ = ["Trace", "TraceError"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FORMATS = (page_csv.FORMAT, byte_csv.FORMAT, rmm_log.FORMAT, ftrace.FORMAT)
_LARGEST_PAGE = 1 << 30


class Trace:
    """A trace in a file: iterate over its `Events`. Each iteration reads the file again.

    The format, and whether the file is gzipped, are recognised from the content. About 60,000 events are
    in memory at a time, except for PyTorch's snapshots, which are read whole. Iterating raises
    `TraceError` when it reaches invalid content.

    `page_size` is the page size of the recorded system in bytes, needed if sizes are orders. `device`
    selects the device of a snapshot; it is needed if the snapshot has several.

    Attributes from the first events on: `format`, a name, and `unit`, of the sizes. Counts up to the
    current position: `n_events`; `failed` allocations of the recorded system; events that the recorder
    `lost`; `assumed` allocations, from before the recording; `disordered` events, with an earlier time
    than the event before; and `done`, the share of the file that was read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "small.csv")
    ...     _ = path.write_text("event,pfn,order\\nalloc,256,0\\nalloc,512,9\\nfree,256,0\\n")
    ...     [events.size.tolist() for events in Trace(path)]
    [[0, 9, 0]]
    """

    def __init__(
        self, path: str | os.PathLike[str], *, page_size: int = 4096, device: int | None = None
    ) -> None:
        self.path = Path(path)
        self.page_size = power_of_two(page_size, "recorded page size", most=_LARGEST_PAGE)
        self.device = device
        self.format = ""
        self.unit = Unit.ORDERS
        self._reset()

    @property
    def done(self) -> float:
        """The share of the file that was read, from 0 to 1; always 0 for a pipe."""
        return self._content.done

    def __iter__(self) -> Iterator[Events]:
        self._reset()
        for events in self._parts():
            self.n_events += events.key.size
            self.failed += events.failed
            self.lost += events.lost
            self.assumed += events.assumed
            self._follow(events.time)
            yield events

    def bytes_of(self, size: NDArray[np.int64]) -> NDArray[np.int64]:
        """Convert sizes of this trace to bytes."""
        return size if self.unit is Unit.BYTES else self.page_size << size

    def _reset(self) -> None:
        self._content = Content(self.path)
        self.n_events = self.failed = self.lost = self.assumed = self.disordered = 0
        self._day: int | None = None
        self._last_time: int | None = None

    def _parts(self) -> Iterator[Events]:
        content = self._content
        try:
            first = content.first()
        except Damaged as damaged:
            raise content.error(1, damaged.found, damaged.advice) from damaged
        if torch_snapshot.recognise(first):
            self.format, self.unit = torch_snapshot.NAME, Unit.BYTES
            yield from torch_snapshot.read(content, self.device)
        else:
            yield from self._parsed(TextFile(content))

    def _parsed(self, stretches: TextFile) -> Iterator[Events]:
        line = 1
        form: Format | None = None
        for text in stretches:
            if form is None:
                form = self._recognised(text[: text.index(b"\n")])
                self.format, self.unit, self._day = form.name, form.unit, form.day
                if form.has_header:
                    line += 1
                    text = text[text.index(b"\n") + 1 :]
            try:
                events = form.parse(text)
            except BadLine as bad:
                raise self._content.error(line + bad.index, bad.found, bad.advice) from None
            line += text.count(b"\n")
            yield events
        if form is None:
            advice = f"a trace without events needs its header, such as {page_csv.HEADER.decode()}"
            raise self._content.error(None, "the file is empty", advice)

    def _recognised(self, line: bytes) -> Format:
        """The format of a file of text with this first line."""
        line = line.rstrip().removeprefix(_BYTE_ORDER_MARK)
        form = next((form for form in _FORMATS if form.recognise(line)), None)
        if form is None:
            advice = (
                f"expected CSV with the columns {page_csv.HEADER.decode()}, "
                f"{byte_csv.HEADER.decode()} or RMM's {rmm_log.HEADER.decode()}, ftrace text with "
                "mm_page_alloc and mm_page_free events, or a pickled snapshot of PyTorch's memory"
            )
            raise self._content.error(1, f"found {quote(line)}", advice)
        if self.device is not None:
            advice = "only snapshots of PyTorch's memory have devices; omit the device"
            raise self._content.error(None, f"the format is {form.name}", advice)
        return form

    def _follow(self, time: NDArray[np.int64]) -> None:
        """Count events with an earlier time than the event before."""
        time = time[time >= 0]
        if time.size == 0:
            return
        before = time[0] if self._last_time is None else self._last_time
        steps = np.diff(time, prepend=before)
        back = steps < 0
        if self._day is not None:
            back &= steps > -self._day // 2
        self.disordered += int(np.count_nonzero(back))
        self._last_time = int(time[-1])
