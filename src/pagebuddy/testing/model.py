"""The naive model of a page allocator, made of sets of pages.

It is slow and simple on purpose. It does not choose pages: it knows which requests can succeed, is told
which pages were allocated, and raises an error if they were not free.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagebuddy import BuddyAllocator

HIGHEST_ORDER = 31


class NaiveAllocator:
    """A model of a page allocator: all pages, the free ones, and the live spans.

    Parameters
    ----------
    ranges : iterable of (int, int)
        First page and number of pages of each page range. They must not overlap.
    max_order : int, optional
        The largest order. By default, that of the largest block that fits into the ranges.

    Attributes
    ----------
    pages : frozenset of int
        All pages.
    free : set of int
        The free pages.
    spans : dict of int to int
        The number of pages of each live span, by its first page.
    max_order : int
        The largest order, inclusive.

    Raises
    ------
    ValueError
        If the ranges overlap.

    Notes
    -----
    Invariants: every page is either free or in exactly one live span. The cost of each operation grows
    with the number of pages.

    Examples
    --------
    >>> model = NaiveAllocator([(0, 8)])
    >>> model.take(0, 5)
    >>> model.free_runs()
    [(5, 3)]
    >>> model.free_blocks()
    [(5, 0), (6, 1)]
    >>> model.take(4, 1)
    Traceback (most recent call last):
    AssertionError: pages [4] of the span (4, 1) were not free
    """

    def __init__(self, ranges: Iterable[tuple[int, int]], max_order: int | None = None) -> None:
        pages = [page for first, n in ranges for page in range(first, first + n)]
        self.pages = frozenset(pages)
        if len(self.pages) != len(pages):
            raise ValueError("the ranges overlap; give each page once")
        self.free = set(self.pages)
        self.spans: dict[int, int] = {}
        self.max_order = HIGHEST_ORDER
        if max_order is None:
            max_order = max((order for _, order in self.free_blocks()), default=0)
        self.max_order = max_order

    def take(self, page: int, n_pages: int) -> None:
        """Record that a span was allocated.

        Parameters
        ----------
        page : int
            Its first page.
        n_pages : int
            Its number of pages.

        Raises
        ------
        AssertionError
            If one of its pages was not free, or it has none.
        """
        taken = range(page, page + n_pages)
        wrong = [other for other in taken if other not in self.free]
        if wrong or n_pages < 1:
            raise AssertionError(f"pages {wrong} of the span ({page}, {n_pages}) were not free")
        self.free.difference_update(taken)
        self.spans[page] = n_pages

    def give_back(self, page: int) -> int:
        """Record that a span was freed.

        Parameters
        ----------
        page : int
            Its first page.

        Returns
        -------
        int
            Its number of pages.

        Raises
        ------
        KeyError
            If no live span starts at the page.
        """
        n_pages = self.spans.pop(page)
        self.free.update(range(page, page + n_pages))
        return n_pages

    def can_resize(self, page: int, n_pages: int) -> bool:
        """Return whether a span can be resized in place.

        Parameters
        ----------
        page : int
            Its first page.
        n_pages : int
            Its new number of pages.

        Returns
        -------
        bool
            True if all pages that it would gain are free.
        """
        return all(other in self.free for other in range(page + self.spans[page], page + n_pages))

    def resize(self, page: int, n_pages: int) -> None:
        """Record that a span was resized in place.

        Parameters
        ----------
        page : int
            Its first page.
        n_pages : int
            Its new number of pages.

        Raises
        ------
        AssertionError
            If one of the pages that it gained was not free.
        """
        self.give_back(page)
        self.take(page, n_pages)

    def free_runs(self, above: int = 0, below: int | None = None) -> list[tuple[int, int]]:
        """Return the free runs: free pages that follow each other, as long as possible.

        Parameters
        ----------
        above : int, optional
            The lowest page of a window. 0 by default.
        below : int, optional
            The first page after the window. By default there is no limit.

        Returns
        -------
        list of (int, int)
            First page and number of pages of each run, in address order, cut to the window.

        Examples
        --------
        >>> NaiveAllocator([(0, 4), (4, 4), (9, 1)]).free_runs(above=2)
        [(2, 6), (9, 1)]
        """
        runs: list[tuple[int, int]] = []
        for page in sorted(self.free):
            if page < above or (below is not None and page >= below):
                continue
            if runs and sum(runs[-1]) == page:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((page, 1))
        return runs

    def largest_free(self, above: int = 0, below: int | None = None) -> int:
        """Return the number of pages of the longest free run in a window.

        Parameters
        ----------
        above, below : int, optional
            The window, as for `free_runs`.

        Returns
        -------
        int
            Its number of pages; 0 if no page is free.
        """
        return max((n for _, n in self.free_runs(above, below)), default=0)

    def n_free(self, above: int = 0, below: int | None = None) -> int:
        """Return the number of free pages in a window.

        Parameters
        ----------
        above, below : int, optional
            The window, as for `free_runs`.

        Returns
        -------
        int
            The number of free pages.
        """
        return sum(n for _, n in self.free_runs(above, below))

    def fits(
        self, n_pages: int, *, align: int = 1, above: int = 0, below: int | None = None
    ) -> bool:
        """Return whether a span can be allocated.

        Parameters
        ----------
        n_pages : int
            Its number of pages.
        align : int, optional
            Its first page must be a multiple of this. 1 by default.
        above, below : int, optional
            The window that it must lie in, as for `free_runs`.

        Returns
        -------
        bool
            True if a free run is long enough.

        Examples
        --------
        >>> NaiveAllocator([(1, 6)]).fits(4, align=4), NaiveAllocator([(1, 7)]).fits(4, align=4)
        (False, True)
        """
        for first, n in self.free_runs(above, below):
            start = -(-first // align) * align
            if start + n_pages <= first + n:
                return True
        return False

    def n_blocks(self, order: int) -> int:
        """Return how many blocks of an order can be allocated at once.

        Parameters
        ----------
        order : int
            The base-2 logarithm of the number of pages of a block.

        Returns
        -------
        int
            The number of blocks.
        """
        size = 1 << order
        return sum(max(0, (first + n) // size - -(-first // size)) for first, n in self.free_runs())

    def free_blocks(self) -> list[tuple[int, int]]:
        """Return the free blocks, merged as far as possible.

        Returns
        -------
        list of (int, int)
            First page and order of each, in address order. Each free page is in the largest block of at
            most `max_order`, aligned to its own size, that is wholly free.
        """
        blocks: list[tuple[int, int]] = []
        for first, n in self.free_runs():
            end = first + n
            while first < end:
                largest = min((end - first).bit_length() - 1, self.max_order)
                order = next(k for k in range(largest, -1, -1) if first % (1 << k) == 0)
                blocks.append((first, order))
                first += 1 << order
        return blocks

    def check_spans(self, buddy: BuddyAllocator) -> None:
        """Compare the live spans with those of an allocator, without changing it.

        Parameters
        ----------
        buddy : BuddyAllocator
            The allocator.

        Raises
        ------
        AssertionError
            If the live spans differ.
        """
        _same("live spans", list(buddy.spans()), sorted(self.spans.items()))

    def check(self, buddy: BuddyAllocator) -> None:
        """Compare spans, blocks and figures with those of an allocator, and verify it.

        Parameters
        ----------
        buddy : BuddyAllocator
            The allocator. Its cached pages are returned to the free lists.

        Raises
        ------
        AssertionError
            If something differs.
        CorruptMetadata
            If the allocator's `verify` finds an invariant that does not hold.
        """
        self.check_spans(buddy)
        buddy.verify()
        blocks = self.free_blocks()
        _same("free blocks", sorted(buddy.free_blocks()), blocks)
        stats = buddy.stats()
        orders = [order for _, order in blocks]
        _same(
            "blocks of each order",
            list(stats.free_blocks),
            [orders.count(order) for order in range(self.max_order + 1)],
        )
        _same(
            "pages (all, used, free, largest free) and spans",
            (stats.n_pages, stats.used, stats.free, stats.largest_free, stats.n_spans),
            (
                len(self.pages),
                sum(self.spans.values()),
                len(self.free),
                self.largest_free(),
                len(self.spans),
            ),
        )


def _same(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"{what} are {found}; expected {expected}")
