"""The memory to replay a trace on."""

from __future__ import annotations

from pathlib import Path

from pagebuddy import PageRanges
from pagebuddy.tools.trace import Trace

# Without a memory map, ranges of whole Linux blocks: 4 MiB of 4 KiB pages.
_ALIGN = 1 << 10
_MAX_PAGES = 1 << 28


def from_map(path: Path, page_size: int) -> PageRanges:
    """The page ranges in a memory map: `/proc/iomem`, BIOS e820 lines, or `/sys/firmware/memmap`.

    `OSError` if it cannot be read; `ValueError`, which names it, if it has no RAM or makes no
    sense.
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


def from_trace(trace: Trace) -> PageRanges:
    """One range from the lowest to the highest page of a trace, rounded to blocks of 1,024 pages.

    As if there were no holes in the memory. Reads the whole trace. `TraceError` if it cannot be
    read or has no events, `ValueError` if they lie too far apart.
    """
    lowest, end = trace.extent()
    first = lowest // _ALIGN * _ALIGN
    n_pages = -(-(end - first) // _ALIGN) * _ALIGN
    if n_pages > _MAX_PAGES:
        raise ValueError(
            f"{trace.path}: pages {lowest} to {end - 1} are too far apart for one range "
            f"({n_pages} pages, at most {_MAX_PAGES}); give a memory map"
        )
    return PageRanges([(first, n_pages)])
