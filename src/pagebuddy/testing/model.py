"""The naive model: what a page allocator must do, said with sets of pages.

It is slow and plain on purpose. It chooses no pages: it says which requests can be met, is told
which pages were taken, and objects where they were not free.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagebuddy import BuddyAllocator

HIGHEST_ORDER = 31


class NaiveAllocator:
    """The pages of `ranges`, those of them that are free, and the live spans.

    The following invariants hold:
    - the pages of the live spans and the free pages are disjoint, and together all pages;
    - no two spans share a page.

    `max_order` is the order of the largest block that the ranges can hold, unless given.
    Every operation costs about as many steps as there are pages.

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
            raise ValueError("the ranges overlap; a page can be given only once")
        self.free = set(self.pages)
        self.spans: dict[int, int] = {}
        self.max_order = HIGHEST_ORDER
        if max_order is None:
            max_order = max((order for _, order in self.free_blocks()), default=0)
        self.max_order = max_order

    def take(self, page: int, n_pages: int) -> None:
        """Note that the span was handed out; `AssertionError` where that could not be."""
        taken = range(page, page + n_pages)
        wrong = [other for other in taken if other not in self.free]
        if wrong or n_pages < 1:
            raise AssertionError(f"pages {wrong} of the span ({page}, {n_pages}) were not free")
        self.free.difference_update(taken)
        self.spans[page] = n_pages

    def give_back(self, page: int) -> int:
        """Note that the span that starts at `page` is free again; its pages."""
        n_pages = self.spans.pop(page)
        self.free.update(range(page, page + n_pages))
        return n_pages

    def can_resize(self, page: int, n_pages: int) -> bool:
        """Whether the span at `page` can have `n_pages` where it stands."""
        return all(other in self.free for other in range(page + self.spans[page], page + n_pages))

    def resize(self, page: int, n_pages: int) -> None:
        """Note that the span at `page` now has `n_pages`."""
        self.give_back(page)
        self.take(page, n_pages)

    def free_runs(self, above: int = 0, below: int | None = None) -> list[tuple[int, int]]:
        """The longest runs of free pages, (first, n) in address order, cut to a window.

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
        """The pages of the longest run of free pages; 0 where none is free."""
        return max((n for _, n in self.free_runs(above, below)), default=0)

    def n_free(self, above: int = 0, below: int | None = None) -> int:
        """The free pages of a window."""
        return sum(n for _, n in self.free_runs(above, below))

    def fits(
        self, n_pages: int, *, align: int = 1, above: int = 0, below: int | None = None
    ) -> bool:
        """Whether `n_pages` can be had in one piece that starts at a multiple of `align`.

        >>> NaiveAllocator([(1, 6)]).fits(4, align=4), NaiveAllocator([(1, 7)]).fits(4, align=4)
        (False, True)
        """
        for first, n in self.free_runs(above, below):
            start = -(-first // align) * align
            if start + n_pages <= first + n:
                return True
        return False

    def n_blocks(self, order: int) -> int:
        """How many blocks of `order` could be had at once."""
        size = 1 << order
        return sum(max(0, (first + n) // size - -(-first // size)) for first, n in self.free_runs())

    def free_blocks(self) -> list[tuple[int, int]]:
        """(first page, order) of each free block in address order, where all are merged.

        Each free page lies in the largest block, aligned to its own size and of at most
        `max_order`, that is wholly free.
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
        """Compare the live spans; writes nothing. Raises `AssertionError` where they differ."""
        _same("live spans", list(buddy.spans()), sorted(self.spans.items()))

    def check(self, buddy: BuddyAllocator) -> None:
        """Compare everything, and `verify`. Settles what is aside in `buddy`."""
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
        raise AssertionError(f"{what} are {found}, and must be {expected}")
