"""PageRanges: the list of page ranges that an allocator is built from."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

from pagebuddy.arguments import LAST_PAGE, PAGE_NUMBERS, power_of_two, whole
from pagebuddy.errors import OutOfPages

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator
    from typing import SupportsIndex

    from pagebuddy.allocator.memory_maps import Interval

PageRange = tuple[int, int]
"""(first page, number of pages)"""


class PageRanges:
    """A set of pages as a list of page ranges, which an allocator can be built from.

    Parameters
    ----------
    ranges : iterable of (int, int), optional
        Pairs of first page and number of pages, in any order. No ranges by default.

    Raises
    ------
    TypeError
        If a number is not an integer, or a range is not a pair.
    ValueError
        If a range is empty, ends above page 2^64 - 1, or overlaps another.

    Notes
    -----
    It contains page numbers only, not a page size. These invariants hold:

    - A range has at least one page, and all its pages are from 0 to 2^64 - 1.
    - Ranges are in address order and share no page.
    - Adjacent ranges stay separate; `joined` returns them as one.

    A call that raises an error changes nothing. Finding a page among r ranges costs O(log r). Adding or
    removing a range moves the ranges behind it. Linux's memblock, which a kernel uses until its page
    allocator runs, is the source of the idea.

    Examples
    --------
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
        """Return the whole pages of RAM in the text of `/proc/iomem`.

        Parameters
        ----------
        text : str
            The text of the file. Only unindented "System RAM" lines count.
        page_size : int, optional
            Bytes in a page, a power of two. 4096 by default.

        Returns
        -------
        PageRanges
            The whole pages. Parts of pages at the ends of a range are left out; two lines that meet
            inside a page are read as one range.

        Raises
        ------
        ValueError
            If a line cannot be read, lines overlap, there is no whole page of RAM, or all addresses are
            zero, as readers without privileges see them.

        Examples
        --------
        >>> PageRanges.from_iomem("00001000-0009fbff : System RAM")
        PageRanges([(0x1, 0x9e)])
        """
        from pagebuddy.allocator.memory_maps import iomem_ram

        return cls(whole_pages(iomem_ram(text), page_size))

    @classmethod
    def from_e820(cls, text: str, page_size: SupportsIndex = 4096) -> PageRanges:
        """Return the whole pages of RAM in the "BIOS-e820:" lines of a kernel's log.

        Parameters
        ----------
        text : str
            The log. Both forms that Linux has used are read; other lines do not count.
        page_size : int, optional
            Bytes in a page, a power of two. 4096 by default.

        Returns
        -------
        PageRanges
            The whole pages, as from `from_iomem`.

        Raises
        ------
        ValueError
            If a line cannot be read, lines overlap, or there is no whole page of RAM.

        Examples
        --------
        >>> PageRanges.from_e820("[0.0] BIOS-e820: [mem 0x00000000-0x0009fbff] usable")
        PageRanges([(0x0, 0x9f)])
        """
        from pagebuddy.allocator.memory_maps import e820_ram

        return cls(whole_pages(e820_ram(text), page_size))

    @classmethod
    def from_memmap(
        cls,
        folder: str | os.PathLike[str] = "/sys/firmware/memmap",
        page_size: SupportsIndex = 4096,
    ) -> PageRanges:
        """Return the whole pages of RAM in a folder like `/sys/firmware/memmap`.

        Parameters
        ----------
        folder : str or path, optional
            The folder, with a numbered folder for each entry. The system's by default.
        page_size : int, optional
            Bytes in a page, a power of two. 4096 by default.

        Returns
        -------
        PageRanges
            The whole pages, as from `from_iomem`.

        Raises
        ------
        OSError
            If a file is missing or cannot be read.
        ValueError
            If a file does not contain an address, entries overlap, or there is no whole page of RAM.

        Examples
        --------
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
        from pagebuddy.allocator.memory_maps import memmap_ram

        return cls(whole_pages(memmap_ram(folder), page_size))

    @property
    def n_pages(self) -> int:
        """Number of pages in all ranges together.

        Examples
        --------
        >>> PageRanges([(0, 3), (8, 1)]).n_pages
        4
        """
        return sum(n for _, n in self._ranges)

    def add(self, first: SupportsIndex, n: SupportsIndex) -> None:
        """Add a range.

        Parameters
        ----------
        first : int
            Its first page.
        n : int
            Its number of pages.

        Raises
        ------
        ValueError
            If it overlaps another range, is empty, or ends above page 2^64 - 1.

        Examples
        --------
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
        """Remove pages; ranges are split as needed.

        Parameters
        ----------
        first : int
            The first page to remove.
        n : int
            How many pages to remove. They may lie in several adjacent ranges.

        Raises
        ------
        ValueError
            If one of the pages is not in the ranges.

        Examples
        --------
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
                    f"cannot remove {_name(first, n)}: page {reached:#x} is not in the ranges; "
                    "remove only pages that are"
                )
            reached = range_first + range_n
            stop += 1
        before = (self._ranges[start][0], first - self._ranges[start][0])
        after = (end, reached - end)
        self._ranges[start:stop] = [rest for rest in (before, after) if rest[1]]

    def pop(self) -> PageRange:
        """Remove the last range and return it.

        Returns
        -------
        (int, int)
            Its first page and its number of pages.

        Raises
        ------
        IndexError
            If there are no ranges.

        Examples
        --------
        >>> PageRanges([(0, 4), (9, 2)]).pop()
        (9, 2)
        """
        if not self._ranges:
            raise IndexError("pop from empty PageRanges: there is no range left to remove")
        return self._ranges.pop()

    def split_to_powers_of_two(self, max_pages: SupportsIndex) -> None:
        """Split every range into pieces whose lengths are powers of two.

        Each piece starts at a multiple of its length, and is as long as that and the range allow.

        Parameters
        ----------
        max_pages : int
            The largest length in pages, a power of two.

        Raises
        ------
        ValueError
            If `max_pages` is not a power of two.

        Notes
        -----
        Cost: O(pieces).

        Examples
        --------
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
        """Remove pages from the end of the highest range that is long enough.

        Parameters
        ----------
        n_pages : int
            How many pages to remove.

        Returns
        -------
        int
            The first page removed.

        Raises
        ------
        OutOfPages
            If no single range is long enough. Adjacent ranges are not joined for this: to carve across
            them, use ``PageRanges(ranges.joined())``.

        Notes
        -----
        Cost: O(ranges). Linux's memblock allocates from the top as well.

        Examples
        --------
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
        """Return the ranges with adjacent ones joined.

        Returns
        -------
        list of (int, int)
            First page and number of pages of each, in address order.

        Notes
        -----
        Cost: O(ranges).

        Examples
        --------
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
        """Return a copy. Changing one does not change the other.

        Returns
        -------
        PageRanges
            The copy.

        Examples
        --------
        >>> ranges = PageRanges([(0, 4)])
        >>> ranges.copy().pop()
        (0, 4)
        >>> ranges
        PageRanges([(0x0, 0x4)])
        """
        return PageRanges(self._ranges)

    __copy__ = copy

    def __iter__(self) -> Iterator[PageRange]:
        # Over a copy, so that a loop can add and remove ranges.
        return iter(tuple(self._ranges))

    def __len__(self) -> int:
        return len(self._ranges)

    def __contains__(self, page: SupportsIndex) -> bool:
        """Return whether a page is in one of the ranges.

        Parameters
        ----------
        page : int
            Page number.

        Returns
        -------
        bool
            True if one of the ranges has the page.

        Raises
        ------
        TypeError
            If `page` is not an integer.

        Notes
        -----
        Cost: O(log ranges).

        Examples
        --------
        >>> 7 in PageRanges([(0, 8)]), 8 in PageRanges([(0, 8)])
        (True, False)
        """
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
        """Return how many ranges start at `page` or before it: the index of the next one."""
        return bisect_right(self._ranges, (page, PAGE_NUMBERS))


def aligned_pieces(first: int, n: int, max_pages: int) -> Iterator[PageRange]:
    """Yield the pieces of a range: powers of two, at most `max_pages`, aligned to their lengths.

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
    """Return the ranges of pages that lie wholly in `ram`: [start, end) in bytes, in address order.

    Raises `ValueError` if there is no whole page, or `page_size` is not a power of two.

    >>> whole_pages([(0x1000, 0x2800), (0x2800, 0x4FFF)], 4096)
    [(1, 3)]
    """
    size = power_of_two(page_size, "page_size", most=PAGE_NUMBERS)
    runs: list[Interval] = []
    for start, end in ram:
        # A page on the border of two adjacent intervals is all RAM.
        if start % size and runs and runs[-1][1] == start:
            start = runs.pop()[0]
        runs.append((start, end))
    pages = [(-(-start // size), end // size + -start // size) for start, end in runs]
    pages = [(first, n) for first, n in pages if n > 0]
    if not pages:
        raise ValueError(
            f"there is no whole page of {size} bytes of RAM; choose a smaller page_size"
        )
    return pages


def _pair(given: Iterable[SupportsIndex]) -> tuple[SupportsIndex, SupportsIndex]:
    try:
        first, n = given
    except (TypeError, ValueError):
        raise TypeError(
            f"a page range is a pair (first page, number of pages), not {given!r}"
        ) from None
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
