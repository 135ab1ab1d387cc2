"""The page ranges to replay a trace on, from a memory map, a size or the trace. Used by `variants`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pagebuddy import PageRanges
from pagebuddy.tools.replaying.pairing import Pairing
from pagebuddy.tools.replaying.variant import Variant
from pagebuddy.tools.terminal.units import counted
from pagebuddy.tools.traces.events import TraceError, Unit
from pagebuddy.tools.traces.trace import Trace

# Without a memory map, ranges consist of whole Linux blocks of 1,024 pages.
_ALIGN = 1 << 10
_MAX_PAGES = 1 << 28


def from_map(path: Path, page_size: int) -> PageRanges:
    """Read a memory map: `/proc/iomem`, BIOS e820 lines, or `/sys/firmware/memmap`.

    Raises `OSError` if it cannot be read, `ValueError` if it is invalid or has no RAM.
    """
    try:
        if path.is_dir():
            return PageRanges.from_memmap(path, page_size=page_size)
        text = path.read_text(encoding="utf-8", errors="replace")
        if "BIOS-e820" in text:
            return PageRanges.from_e820(text, page_size=page_size)
        return PageRanges.from_iomem(text, page_size=page_size)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def from_size(n_bytes: int, page_size: int) -> PageRanges:
    """One range from page 0, rounded down to whole pages; `ValueError` if it has no page."""
    if n_bytes < page_size:
        raise ValueError(
            f"memory is {counted(n_bytes, 'byte')}; expected at least a page, {page_size} bytes"
        )
    return PageRanges([(0, n_bytes // page_size)])


def from_trace(trace: Trace, variants: Sequence[Variant]) -> list[PageRanges]:
    """One range for each variant, large enough for the trace; the variants' own ranges are ignored.

    For a trace of pages: from its lowest to its highest page, rounded to blocks of 1,024 pages. For a
    trace of bytes: from page 0, the smallest power of two that holds twice the peak of every variant.
    (With much less memory many allocations would fail, each after a search of all free blocks.)

    Reads the whole trace, so the trace must not be a pipe. Raises `TraceError` if it cannot be read or
    has no events, `ValueError` if the range would be too large.
    """
    if trace.path.is_fifo():
        found, advice = (
            "a pipe can be read only once, and finding the memory needed is a first reading",
            "give --memory or --memory-map, or write the trace into a file",
        )
        raise TraceError(str(trace.path), None, found, advice)
    lowest, end = 2**64, 0
    pairing = Pairing()
    peaks = [_Peak(variant) for variant in variants]
    for events in trace:
        if trace.unit is Unit.BYTES:
            operations = pairing.pair(events)
            for peak in peaks:
                peak.follow(operations.is_alloc, operations.size)
        elif events.key.size:
            lowest = min(lowest, int(events.key.min()))
            ends = events.key + (np.uint64(1) << events.size.astype(np.uint64))
            end = max(end, int(ends.max()))
    if trace.n_events == 0:
        found, advice = (
            "the trace has no events, so the memory needed is unknown",
            "give --memory or --memory-map",
        )
        raise TraceError(str(trace.path), None, found, advice)
    if trace.unit is Unit.BYTES:
        highest = max(peak.highest * peak.variant.page_size for peak in peaks)
        first_byte, end_byte = 0, 1 << (2 * highest - 1).bit_length() if highest else 1
    else:
        align = _ALIGN * trace.page_size
        first_byte = lowest * trace.page_size // align * align
        end_byte = -(-end * trace.page_size // align) * align
    return [_range(trace, first_byte, end_byte, variant.page_size) for variant in variants]


class _Peak:
    """The largest number of pages in use at once in a variant, if no allocation fails."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant.settled(Unit.BYTES)
        self.used = self.highest = 0

    def follow(self, is_alloc: NDArray[np.bool_], n_bytes: NDArray[np.int64]) -> None:
        """Follow the next operations."""
        if is_alloc.size:
            n_pages = self.variant.pages_for(n_bytes)
            used = self.used + np.cumsum(np.where(is_alloc, n_pages, -n_pages))
            self.highest = max(self.highest, int(used.max()))
            self.used = int(used[-1])


def _range(trace: Trace, first_byte: int, end_byte: int, page_size: int) -> PageRanges:
    first = first_byte // page_size
    n_pages = -(-end_byte // page_size) - first
    if n_pages > _MAX_PAGES:
        raise ValueError(
            f"{trace.path}: addresses {first_byte:#x} to {end_byte - 1:#x} are {n_pages:,} pages of "
            f"{page_size} bytes; at most {_MAX_PAGES:,} are supported; give --memory-map or a "
            "larger --page-size"
        )
    return PageRanges([(first, n_pages)])
