"""PageRanges: which pages there are, before there is an allocator."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import SupportsIndex

from pagebuddy.allocator.memory_maps import ADDRESS_LIMIT, Interval, e820_ram, iomem_ram, memmap_ram
from pagebuddy.arguments import LAST_PAGE, PAGE_NUMBERS, power_of_two, whole
from pagebuddy.errors import OutOfPages

PageRange = tuple[int, int]
"""(first page, number of pages)"""


class PageRanges:
    """A set of pages as a list of page ranges: the boot-time list that an allocator is built from.

    It holds page numbers only and knows no page size. The following invariants hold:

    - a range is (first page, number of pages) with at least one page, all from 0 to 2^64 - 1
    - ranges are in address order and share no page
    - touching ranges stay apart until something joins them; `joined` shows them as one

    Numbers are anything with `__index__`. What raises changes nothing: `TypeError` for what is no
    number, `ValueError` for pages that cannot be, `OutOfPages` where `carve` finds no room. To find
    a place among r ranges costs O(log r), to put in or take out a range moves those behind it.
    Source: Linux's memblock, which serves a kernel until its page allocator is up.

    >>> ranges = PageRanges([(0x100, 0xBFF00), (0x1, 0x9E)])
    >>> ranges
    PageRanges([(0x1, 0x9e), (0x100, 0xbff00)])
    >>> list(ranges), len(ranges), ranges.n_pages
    ([(1, 158), (256, 786176)], 2, 786334)
    >>> 0x9E in ranges, 0x9F in ranges
    (True, False)
    """

    __slots__ = ("_ranges",)

    def __init__(self, ranges: Iterable[tuple[SupportsIndex, SupportsIndex]] = ()) -> None:
        checked = sorted(_page_range(*_pair(given)) for given in ranges)
        for (first, n), (next_first, next_n) in pairwise(checked):
            _refuse_overlap(first, n, next_first, next_n)
        self._ranges: list[PageRange] = checked

    @classmethod
    def from_iomem(cls, text: str, page_size: SupportsIndex = 4096) -> PageRanges:
        """The whole pages of RAM in the text of `/proc/iomem`; `page_size` in bytes.

        Only unindented "System RAM" lines count. Parts of pages at a range's ends are left out;
        lines that meet inside a page are read as one range. `ValueError` for a line that cannot be
        read, an overlap, a map without a whole page of RAM, and a map of all zeros, which is what a
        reader without privileges sees.

        >>> PageRanges.from_iomem("00001000-0009fbff : System RAM")
        PageRanges([(0x1, 0x9e)])
        """
        return cls(whole_pages(iomem_ram(text), page_size))

    @classmethod
    def from_e820(cls, text: str, page_size: SupportsIndex = 4096) -> PageRanges:
        """The whole pages of RAM in a kernel log's "BIOS-e820:" lines; `page_size` in bytes.

        Both forms that Linux has written are read; other lines of the log do not count. Pages and
        errors are those of `from_iomem`.

        >>> PageRanges.from_e820("[0.0] BIOS-e820: [mem 0x00000000-0x0009fbff] usable")
        PageRanges([(0x0, 0x9f)])
        """
        return cls(whole_pages(e820_ram(text), page_size))

    @classmethod
    def from_memmap(
        cls,
        folder: str | os.PathLike[str] = "/sys/firmware/memmap",
        page_size: SupportsIndex = 4096,
    ) -> PageRanges:
        """The whole pages of RAM in a folder like `/sys/firmware/memmap`; `page_size` in bytes.

        Pages and errors are those of `from_iomem`; `OSError` where a file is missing or may not be
        read.

        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     entry = Path(folder, "0")
        ...     entry.mkdir()
        ...     for name, text in [("start", "0x0"), ("end", "0x9fbff"), ("type", "System RAM")]:
        ...         written = Path(entry, name).write_text(text)
        ...     PageRanges.from_memmap(folder)
        PageRanges([(0x0, 0x9f)])
        """
        return cls(whole_pages(memmap_ram(folder), page_size))

    @property
    def n_pages(self) -> int:
        """The pages in all ranges together. O(ranges).

        >>> PageRanges([(0, 3), (8, 1)]).n_pages
        4
        """
        return sum(n for _, n in self._ranges)

    def add(self, first: SupportsIndex, n: SupportsIndex) -> None:
        """Put in the range of `n` pages from page `first`; `ValueError` if it overlaps another.

        >>> ranges = PageRanges([(0, 4)])
        >>> ranges.add(4, 2)
        >>> ranges
        PageRanges([(0x0, 0x4), (0x4, 0x2)])
        """
        added = _page_range(first, n)
        place = self._n_starting_to(added[0])
        for there in self._ranges[max(place - 1, 0) : place + 1]:
            _refuse_overlap(*min(there, added), *max(there, added))
        self._ranges.insert(place, added)

    def remove(self, first: SupportsIndex, n: SupportsIndex) -> None:
        """Take out the `n` pages from page `first`, splitting ranges where needed.

        They may lie in several touching ranges. `ValueError` if one of them is in no range.

        >>> ranges = PageRanges([(0, 4), (4, 8)])
        >>> ranges.remove(3, 2)
        >>> ranges
        PageRanges([(0x0, 0x3), (0x5, 0x7)])
        """
        first, n = _page_range(first, n)
        end = first + n
        start = max(self._n_starting_to(first) - 1, 0)
        stop, reached = start, first
        while reached < end:
            range_first, range_n = self._ranges[stop] if stop < len(self._ranges) else (reached, 0)
            if not range_first <= reached < range_first + range_n:
                raise ValueError(
                    f"cannot remove {_name(first, n)}: page {reached:#x} is in none of the ranges; "
                    "remove only what is there"
                )
            reached = range_first + range_n
            stop += 1
        before = (self._ranges[start][0], first - self._ranges[start][0])
        after = (end, reached - end)
        self._ranges[start:stop] = [rest for rest in (before, after) if rest[1]]

    def pop(self) -> PageRange:
        """Remove the last range and return it; `IndexError` if there is none.

        >>> PageRanges([(0, 4), (9, 2)]).pop()
        (9, 2)
        """
        if not self._ranges:
            raise IndexError("pop from empty PageRanges: there is no range left to remove")
        return self._ranges.pop()

    def split_to_powers_of_two(self, max_pages: SupportsIndex) -> None:
        """Split every range into naturally aligned powers of two, none longer than `max_pages`.

        They are as long as their place and the range allow. `max_pages` must itself be a power of
        two, else `ValueError`. O(ranges that come of it).

        >>> ranges = PageRanges([(3, 10)])
        >>> ranges.split_to_powers_of_two(4)
        >>> list(ranges)
        [(3, 1), (4, 4), (8, 4), (12, 1)]
        """
        limit = power_of_two(max_pages, "max_pages", most=PAGE_NUMBERS)
        self._ranges = [
            piece for first, n in self._ranges for piece in aligned_pieces(first, n, limit)
        ]

    def carve(self, n_pages: SupportsIndex) -> int:
        """Take `n_pages` from the end of the highest range that is long enough; its rest stays.

        Returns the first page taken. `OutOfPages` where no single range is long enough, even if
        touching ones together were: carve from `PageRanges(ranges.joined())` then. O(ranges).
        Source: the sketch of a kernel's allocator, and Linux's memblock, which allocates top-down.

        >>> ranges = PageRanges([(0, 8), (100, 8), (200, 2)])
        >>> ranges.carve(3)
        105
        >>> ranges
        PageRanges([(0x0, 0x8), (0x64, 0x5), (0xc8, 0x2)])
        """
        n_pages = whole(n_pages, "n_pages", least=1)
        for place in reversed(range(len(self._ranges))):
            first, n = self._ranges[place]
            if n >= n_pages:
                page = first + n - n_pages
                self._ranges[place : place + 1] = [(first, n - n_pages)] if n > n_pages else []
                return page
        longest = max((n for _, n in self._ranges), default=0)
        raise OutOfPages(n_pages, self.n_pages, longest, where="in one page range")

    def joined(self) -> list[PageRange]:
        """The same pages with touching ranges joined, as (first, n) in address order. O(ranges).

        >>> PageRanges([(0, 4), (4, 4), (9, 1)]).joined()
        [(0, 8), (9, 1)]
        """
        joined: list[PageRange] = []
        for first, n in self._ranges:
            if joined and sum(joined[-1]) == first:
                touched_first, touched_n = joined.pop()
                first, n = touched_first, touched_n + n
            joined.append((first, n))
        return joined

    def copy(self) -> PageRanges:
        """The same ranges apart from these: changing one leaves the other as it is.

        >>> ranges = PageRanges([(0, 4)])
        >>> ranges.copy().pop()
        (0, 4)
        >>> ranges
        PageRanges([(0x0, 0x4)])
        """
        return PageRanges(self._ranges)

    __copy__ = copy

    def __iter__(self) -> Iterator[PageRange]:
        # Over a copy, so that a loop may add and remove.
        return iter(tuple(self._ranges))

    def __len__(self) -> int:
        return len(self._ranges)

    def __contains__(self, page: SupportsIndex) -> bool:
        """Whether a page is in one of the ranges. O(log ranges)."""
        page = whole(page, "a page", least=None)
        place = self._n_starting_to(page)
        return place > 0 and page < sum(self._ranges[place - 1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PageRanges):
            return NotImplemented
        return self._ranges == other._ranges

    def __repr__(self) -> str:
        return f"PageRanges([{', '.join(_name(*page_range) for page_range in self._ranges)}])"

    def _n_starting_to(self, page: int) -> int:
        """How many ranges start at `page` or before: the place of the next one."""
        return bisect_right(self._ranges, (page, PAGE_NUMBERS))


def aligned_pieces(first: int, n: int, max_pages: int) -> Iterator[PageRange]:
    """A range in naturally aligned powers of two, each as long as can be up to a power `max_pages`.

    >>> list(aligned_pieces(5, 4, 64))
    [(5, 1), (6, 2), (8, 1)]
    """
    while n:
        # Page 0 is a multiple of every length.
        aligned = first & -first or max_pages
        piece = min(aligned, 1 << (n.bit_length() - 1), max_pages)
        yield first, piece
        first += piece
        n -= piece


def whole_pages(ram: Iterable[Interval], page_size: SupportsIndex) -> list[PageRange]:
    """The pages that lie wholly in `ram`: [start, end) in bytes, in order, without overlap.

    `page_size` in bytes, a power of two, else `ValueError`; also where there is no whole page.

    >>> whole_pages([(0x1000, 0x2800), (0x2800, 0x4FFF)], 4096)
    [(1, 3)]
    """
    size = power_of_two(page_size, "page_size", most=ADDRESS_LIMIT)
    runs: list[Interval] = []
    for start, end in ram:
        # A page on the border of two adjoining intervals is all RAM.
        if start % size and runs and runs[-1][1] == start:
            start = runs.pop()[0]
        runs.append((start, end))
    pages = [(-(-start // size), end // size + -start // size) for start, end in runs]
    pages = [(first, n) for first, n in pages if n > 0]
    if not pages:
        raise ValueError(
            f"no RAM here makes a whole page of {size} bytes; choose a smaller page_size"
        )
    return pages


def _pair(given: Iterable[SupportsIndex]) -> tuple[SupportsIndex, SupportsIndex]:
    try:
        first, n = given
    except (TypeError, ValueError):
        raise TypeError(f"a page range is a pair (first page, n pages), not {given!r}") from None
    return first, n


def _page_range(first: SupportsIndex, n: SupportsIndex) -> PageRange:
    first = whole(first, "the first page", most=LAST_PAGE)
    name = f"the number of pages from page {first:#x}"
    return first, whole(n, name, least=1, most=PAGE_NUMBERS - first)


def _refuse_overlap(first: int, n: int, next_first: int, next_n: int) -> None:
    if first + n > next_first:
        raise ValueError(
            f"page ranges {_name(first, n)} and {_name(next_first, next_n)} overlap: "
            f"both have page {next_first:#x}; give each page once"
        )


def _name(first: int, n: int) -> str:
    return f"({first:#x}, {n:#x})"
