"""A plain array of allocated pages, against which `replay` checks the allocator's answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pagebuddy import PageRanges

# Pages checked at once, unless a single span has more.
_PAGES_AT_ONCE = 1 << 20


class OwnerMap:
    """A flag for each page of the ranges: whether a live span owns it. Needs one byte per page.

    `faults` counts pages that were allocated while owned, allocated outside the ranges, or freed while
    not owned. It stays 0 for a correct allocator.

    >>> owners = OwnerMap(PageRanges([(0, 8)]))
    >>> owners.follow(np.array([True, True]), np.array([0, 3], "u8"), np.array([4, 2]))
    >>> owners.faults, owners.n_owned
    (1, 5)
    """

    def __init__(self, ranges: PageRanges) -> None:
        joined = ranges.joined()
        self.faults = 0
        self._first = np.array([first for first, _ in joined], np.uint64)
        self._n = np.array([n for _, n in joined], np.uint64)
        self._base = np.concatenate(([0], np.cumsum(self._n)))[:-1].astype(np.uint64)
        self._owned = np.zeros(ranges.n_pages, np.bool_)

    @property
    def n_pages(self) -> int:
        """The number of pages of all ranges."""
        return self._owned.size

    @property
    def n_owned(self) -> int:
        """The number of owned pages. O(pages)."""
        return int(np.count_nonzero(self._owned))

    def n_blocks(self, block: int) -> int:
        """The number of aligned blocks of so many pages."""
        return sum(flags.shape[0] for flags in self._blocks(block))

    def share_in_blocks(self, block: int) -> float:
        """The share of the pages that nobody owns in aligned blocks of such pages; 1.0 without any.

        O(pages).

        >>> OwnerMap(PageRanges([(6, 20)])).share_in_blocks(8)
        0.8
        """
        free = self.n_pages - self.n_owned
        whole = sum(int(np.count_nonzero(~flags.any(axis=1))) for flags in self._blocks(block))
        return whole * block / free if free else 1.0

    def _blocks(self, block: int) -> Iterator[NDArray[np.bool_]]:
        """The flags of the aligned blocks in each range, with one row for each block."""
        table = (self._first, self._n, self._base)
        for first, n, base in zip(*(column.tolist() for column in table), strict=True):
            start = base + -first % block
            stop = start + max(base + n - start, 0) // block * block
            yield self._owned[start:stop].reshape(-1, block)

    def follow(
        self, is_alloc: NDArray[np.bool_], page: NDArray[np.uint64], n: NDArray[np.int64]
    ) -> None:
        """Follow allocations and frees in order: their first pages and numbers of pages.

        Checks every event exactly. O(m log m) in the pages of all these spans.
        """
        place, inside = self._places(page, n.astype(np.uint64))
        self.faults += int(n[~inside].sum())
        is_alloc, place, n = is_alloc[inside], place[inside], n[inside]
        ends = np.cumsum(n)
        start = 0
        while start < n.size:
            limit = ends[start] - n[start] + _PAGES_AT_ONCE
            stop = max(int(np.searchsorted(ends, limit, side="right")), start + 1)
            if stop == start + 1:
                self._follow_one(bool(is_alloc[start]), int(place[start]), int(n[start]))
            else:
                self._follow_pages(is_alloc[start:stop], place[start:stop], n[start:stop])
            start = stop

    def _places(
        self, page: NDArray[np.uint64], n: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The index of each span's first flag, and whether the span lies inside one range."""
        if self._first.size == 0:
            return np.zeros(page.size, np.int64), np.zeros(page.size, np.bool_)
        i = np.searchsorted(self._first, page, side="right") - 1
        offset = page - self._first[i]
        inside = (i >= 0) & (offset < self._n[i]) & (n <= self._n[i] - offset)
        return (self._base[i] + offset).astype(np.int64), inside

    def _follow_one(self, is_alloc: bool, place: int, n: int) -> None:
        flags = self._owned[place : place + n]
        self.faults += int(np.count_nonzero(flags == is_alloc))
        flags[:] = is_alloc

    def _follow_pages(
        self, is_alloc: NDArray[np.bool_], place: NDArray[np.int64], n: NDArray[np.int64]
    ) -> None:
        # One entry per page of each span, sorted by page and time. Allocations and frees of a page
        # must alternate, starting from its flag.
        ends = np.cumsum(n)
        pages = np.repeat(place - (ends - n), n) + np.arange(ends[-1])
        kinds = np.repeat(is_alloc, n)
        by_page = np.argsort(pages, kind="stable")
        pages, kinds = pages[by_page], kinds[by_page]
        is_first = np.concatenate(([True], pages[1:] != pages[:-1]))
        before = np.where(is_first, self._owned[pages], np.concatenate(([False], kinds[:-1])))
        self.faults += int(np.count_nonzero(kinds == before))
        is_last = np.concatenate((is_first[1:], [True]))
        self._owned[pages[is_last]] = kinds[is_last]
