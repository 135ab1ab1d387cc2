"""Where an allocator's metadata is: in memory of its own, a given buffer, or the managed memory."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from pagebuddy.allocator.geometry import Geometry
from pagebuddy.allocator.ranges import PageRanges
from pagebuddy.errors import OutOfPages

if TYPE_CHECKING:
    import mmap

WORD = 8
CACHE_LINE = 64

MANY_BYTES = 1 << 20
"""From this size on, mapping zeros is cheaper than writing them."""


def address_of(view: memoryview) -> int:
    """Return the address of a writable view's first byte."""
    # Imported at first use, as in `pagebuddy.memory.system`.
    from ctypes import addressof, c_char

    return addressof(c_char.from_buffer(view))


def as_bytes(buffer: Any, name: str) -> memoryview:
    """Return a writable view of a buffer's bytes.

    Raises TypeError if it is not a buffer, or contains Python objects; ValueError if it is read-only or
    not contiguous.
    """
    try:
        view = memoryview(buffer)
    except TypeError:
        kind = type(buffer).__name__
        raise TypeError(
            f"{name} is a {kind}, which has no buffer; "
            "give a bytearray, an mmap, an array or a memoryview of one"
        ) from None
    # "O" in the format is a reference to an object. Names are enclosed in colons.
    if "O" in "".join(view.format.split(":")[::2]):
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
    """Return a buffer of at least n_bytes bytes as 64-bit words.

    Raises the errors of `as_bytes`, and ValueError if there are fewer bytes, or they are not aligned.
    """
    view = as_bytes(buffer, name)
    if view.nbytes < n_bytes:
        raise ValueError(f"{name} has {view.nbytes} bytes; {n_bytes} are needed")
    if view.nbytes and address_of(view) % WORD:
        raise ValueError(
            f"{name} starts at an address that is not a multiple of {WORD}; give an aligned buffer"
        )
    return view[: view.nbytes // WORD * WORD].cast("Q")


def private_mapping(n_bytes: int) -> mmap.mmap:
    """Return new private memory from the system. Raises OSError."""
    import mmap

    # Outside Unix, memory without a name is always private.
    if hasattr(mmap, "MAP_ANONYMOUS"):
        return mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, n_bytes)


def zeros(n_bytes: int) -> memoryview:
    """Return new memory, all zero. Pages of large memory that are never touched take no room.

    Raises MemoryError.
    """
    if n_bytes < MANY_BYTES:
        return memoryview(bytearray(n_bytes))
    try:
        return memoryview(private_mapping(n_bytes))
    except OSError as error:
        raise MemoryError(
            f"no memory for {n_bytes} bytes; manage fewer pages, or give a buffer for the metadata"
        ) from error


def own_words(n_bytes: int) -> memoryview:
    """Return new words, all zero, at the start of a cache line. Raises MemoryError."""
    view = zeros(n_bytes + CACHE_LINE)
    start = -address_of(view) % CACHE_LINE
    return view[start : start + n_bytes].cast("Q")


def clear(words: memoryview) -> None:
    """Store zero in all words."""
    zeros = memoryview(bytes(1 << 16)).cast("Q")
    for at in range(0, len(words), len(zeros)):
        words[at : at + len(zeros)] = zeros[: len(words) - at]


def carved_words(geometry: Geometry, memory: Any) -> tuple[Geometry, memoryview]:
    """Carve room for the metadata out of the managed memory.

    Returns the geometry of the remaining pages, and the words of the carved ones. They come from the end
    of the highest page range that is long enough. Page p is at byte (p - lowest page) * page_size.
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
    """Return the smallest number of pages that can contain the metadata of the other pages."""

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
