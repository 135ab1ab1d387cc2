"""Figures of an allocator at one moment.

The two indices are those of Linux's `mm/vmstat.c`, which debugfs shows as `extfrag/unusable_index` and
`extfrag/extfrag_index`. Mel Gorman wrote them: the first with Andy Whitcroft in "The What, the Why and
the Where To of Anti-Fragmentation" (Ottawa Linux Symposium, 2006), the second for memory compaction
(2010).
"""

from __future__ import annotations

from typing import ClassVar, Final, SupportsIndex

from pagebuddy.allocator.frozen import Frozen
from pagebuddy.arguments import counted, whole


class Stats(Frozen):
    """Figures of an allocator at one moment. They cannot be changed, and compare equal by value.

    Parameters
    ----------
    n_pages, used, free, largest_free, free_blocks, n_spans
        The attributes below.

    Attributes
    ----------
    n_pages : int
        Pages in all, used and free.
    used : int
        Pages in live spans.
    free : int
        Free pages.
    largest_free : int
        Pages of the longest free run. A run may be longer than any block.
    free_blocks : tuple of int
        Number of free blocks of each order; the index is the order.
    n_spans : int
        Number of live spans.

    Examples
    --------
    >>> stats = Stats(
    ...     n_pages=16, used=9, free=7, largest_free=4, free_blocks=(1, 1, 1, 0), n_spans=2
    ... )
    >>> stats.unusable(2)
    0.42857142857142855
    >>> stats.fragmentation(2), stats.fragmentation(3)
    (-1.0, 0.375)
    >>> print(stats)
    used 9 pages of 16 in 2 spans; free 7 pages, the largest run 4 pages
    """

    __slots__ = ("n_pages", "used", "free", "largest_free", "free_blocks", "n_spans")  # noqa: RUF023
    # The names of all figures in order, those of base classes first.
    __match_args__: ClassVar[tuple[str, ...]] = __slots__

    def __init__(
        self,
        n_pages: int,
        used: int,
        free: int,
        largest_free: int,
        free_blocks: tuple[int, ...],
        n_spans: int,
    ) -> None:
        self.n_pages: Final = n_pages
        self.used: Final = used
        self.free: Final = free
        self.largest_free: Final = largest_free
        self.free_blocks: Final = free_blocks
        self.n_spans: Final = n_spans

    @property
    def max_order(self) -> int:
        """The largest order, inclusive."""
        return len(self.free_blocks) - 1

    def unusable(self, order: SupportsIndex) -> float:
        """Return the share of the free pages that lie in blocks smaller than an order.

        Parameters
        ----------
        order : int
            From 0 to `max_order`.

        Returns
        -------
        float
            From 0.0, if every free page can serve an allocation of this order, to 1.0, if none can. 0.0
            if no page is free (Linux reports 1 then).

        Raises
        ------
        ValueError
            If there is no such order.

        Notes
        -----
        This is Linux's unusable free space index.

        Examples
        --------
        >>> Stats(8, 4, 4, 1, (4, 0, 0, 0), 4).unusable(1)
        1.0
        """
        usable = self._pages_in_blocks(self._checked(order))
        free = self._pages_in_blocks(0)
        return (free - usable) / free if free else 0.0

    def fragmentation(self, order: SupportsIndex) -> float:
        """Return whether a block of an order is missing for lack of pages or by fragmentation.

        Parameters
        ----------
        order : int
            From 0 to `max_order`.

        Returns
        -------
        float
            -1.0 if there is a free block of this order or a larger one. 0.0 if no page is free.
            Otherwise 1 - (1 + free / 2^order) / number of free blocks: towards 0 if too few pages are
            free, towards 1 if enough are free, but scattered.

        Raises
        ------
        ValueError
            If there is no such order.

        Notes
        -----
        This is Linux's fragmentation index. A single free block gives -0.5 to 0. If the free pages would
        make b blocks, the index is at least 1/2 - 1/(2b). Many small blocks raise it even if all
        together are too few, so read it together with `free`. It counts blocks: `alloc` may still find
        a run of adjacent blocks, up to `largest_free` pages, if `alloc_order` finds no block.

        Examples
        --------
        >>> Stats(8, 4, 4, 1, (4, 0, 0, 0), 4).fragmentation(2)
        0.5
        """
        order = self._checked(order)
        n_blocks = sum(self.free_blocks)
        if n_blocks == 0:
            return 0.0
        if any(self.free_blocks[order:]):
            return -1.0
        return 1 - (1 + self._pages_in_blocks(0) / (1 << order)) / n_blocks

    def as_dict(self) -> dict[str, object]:
        """Return all figures by name, ready for JSON.

        Returns
        -------
        dict
            Every attribute, and the two indices as lists, with a value for each order.

        Examples
        --------
        >>> Stats(4, 3, 1, 1, (1, 0, 0), 1).as_dict()["unusable"]
        [0.0, 1.0, 1.0]
        """
        orders = range(self.max_order + 1)
        return super().as_dict() | {
            "free_blocks": list(self.free_blocks),
            "unusable": [self.unusable(order) for order in orders],
            "fragmentation": [self.fragmentation(order) for order in orders],
        }

    def _checked(self, order: SupportsIndex) -> int:
        return whole(order, "order", most=self.max_order)

    def _pages_in_blocks(self, min_order: int) -> int:
        blocks = enumerate(self.free_blocks)
        return sum(count << order for order, count in blocks if order >= min_order)

    def __str__(self) -> str:
        used, free = counted(self.used, "page"), counted(self.free, "page")
        largest = counted(self.largest_free, "page")
        spans = counted(self.n_spans, "span")
        return f"used {used} of {self.n_pages:,} in {spans}; free {free}, the largest run {largest}"
