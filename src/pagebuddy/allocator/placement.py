"""Where an allocator's metadata lies: in memory of its own, a given buffer, or the managed memory."""

from __future__ import annotations

import mmap
import re
from bisect import bisect_left
from typing import Any

from pagebuddy.allocator.geometry import Geometry
from pagebuddy.allocator.ranges import PageRanges
from pagebuddy.errors import OutOfPages

WORD = 8
CACHE_LINE = 64

MANY_BYTES = 1 << 20
"""From here on to map zeros is cheaper than to write them."""

# Elsewhere than on Unix what has no name is private anyway.
PRIVATE: dict[str, Any] = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
)


def address_of(view: memoryview) -> int:
    """Return the address of a writable view's first byte."""
    # Only here is ctypes needed, and loading it costs more than the rest of the package.
    from ctypes import addressof, c_char

    return addressof(c_char.from_buffer(view))


def as_bytes(buffer: Any, name: str) -> memoryview:
    """Return a writable view of a buffer's bytes.

    Raises TypeError for what is no buffer or one of objects, ValueError for one that is read-only or has
    gaps.
    """
    try:
        view = memoryview(buffer)
    except TypeError:
        kind = type(buffer).__name__
        raise TypeError(
            f"{name} is a {kind}, which has no buffer; "
            "give a bytearray, an mmap, an array or a memoryview of one"
        ) from None
    # "O" in the format is a reference to an object; between colons stand names.
    if "O" in re.sub(":[^:]*:", "", view.format):
        raise TypeError(
            f"{name} holds references to objects, which must not be overwritten; "
            "give a buffer of bytes or numbers"
        )
    if view.readonly:
        raise ValueError(f"{name} is read-only; give a buffer that can be written")
    if not view.c_contiguous:
        raise ValueError(f"{name} has gaps between its items; give one contiguous run of bytes")
    return view.cast("B") if view.nbytes else memoryview(bytearray())


def as_words(buffer: Any, name: str, n_bytes: int = 0) -> memoryview:
    """Return a buffer's bytes as 64-bit words, at least n_bytes of them.

    Raises ValueError where there are fewer, or where they are not aligned to 8 bytes.
    """
    view = as_bytes(buffer, name)
    if view.nbytes < n_bytes:
        raise ValueError(f"{name} has {view.nbytes} bytes; {n_bytes} are needed")
    if view.nbytes and address_of(view) % WORD:
        raise ValueError(f"{name} starts at an odd address; it must be aligned to {WORD} bytes")
    return view[: view.nbytes // WORD * WORD].cast("Q")


def zeros(n_bytes: int) -> memoryview:
    """Return bytes of our own, all zero. Of many, those that nobody touches cost nothing.

    Raises MemoryError.
    """
    if n_bytes < MANY_BYTES:
        return memoryview(bytearray(n_bytes))
    try:
        return memoryview(mmap.mmap(-1, n_bytes, **PRIVATE))
    except OSError as error:
        raise MemoryError(
            f"no memory for {n_bytes} bytes; manage fewer pages, or give a buffer for the metadata"
        ) from error


def own_words(n_bytes: int) -> memoryview:
    """Return zeroed words of our own, on a cache line of their own. Raises MemoryError."""
    view = zeros(n_bytes + CACHE_LINE)
    start = -address_of(view) % CACHE_LINE
    return view[start : start + n_bytes].cast("Q")


def clear(words: memoryview) -> None:
    """Store zero in all words."""
    zeros = memoryview(bytes(1 << 16)).cast("Q")
    for at in range(0, len(words), len(zeros)):
        words[at : at + len(zeros)] = zeros[: len(words) - at]


def carved_words(geometry: Geometry, memory: Any) -> tuple[Geometry, memoryview]:
    """Carve room for metadata out of the memory that is managed.

    Returns the geometry of the pages that are left and the words of those that are not. The pages come
    from the end of the highest page range that has enough, and the rest of that range stays. Page p lies
    at byte (p - lowest page) * page_size of the memory.
    """
    view = as_bytes(memory, "memory")
    sections = geometry.sections
    lowest = sections[0][0]
    spanned = (sum(sections[-1]) - lowest) * geometry.page_size
    if view.nbytes < spanned:
        raise ValueError(f"memory has {view.nbytes} bytes; the ranges span {spanned}")
    n_pages = _pages_for_metadata(geometry)
    ranges = PageRanges(sections)
    try:
        first = ranges.carve(n_pages)
    except OutOfPages as refused:
        raise OutOfPages(
            n_pages, refused.free, refused.largest_free, geometry.page_size, "for metadata"
        ) from None
    if not ranges.n_pages:
        raise OutOfPages(
            n_pages + 1, n_pages, n_pages, geometry.page_size, "for metadata and one page"
        )
    start = (first - lowest) * geometry.page_size
    words = as_words(view[start : start + n_pages * geometry.page_size], "memory")
    return Geometry.of(ranges, geometry.page_size, geometry.max_order), words


def _pages_for_metadata(geometry: Geometry) -> int:
    """The fewest pages that hold the metadata of all the pages but these."""

    def enough(n_pages: int) -> bool:
        rest = PageRanges(geometry.sections)
        try:
            rest.carve(n_pages)
        except OutOfPages:
            return True
        if not rest.n_pages:
            return True
        needed = Geometry.of(rest, geometry.page_size, geometry.max_order).n_bytes
        return needed <= n_pages * geometry.page_size

    most = -(-geometry.n_bytes // geometry.page_size)
    return 1 + bisect_left(range(1, most), True, key=enough)
