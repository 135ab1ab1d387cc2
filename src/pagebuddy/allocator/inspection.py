"""Inspection: the methods of `BuddyAllocator` that only observe. Part of the extension."""

from collections.abc import Iterator
from typing import SupportsIndex

from pagebuddy.allocator.dump import dump
from pagebuddy.allocator.geometry import Geometry
from pagebuddy.allocator.ranges import PageRanges
from pagebuddy.allocator.stats import Stats
from pagebuddy.arguments import PAGE_NUMBERS, whole
from pagebuddy.core import stand_in as cython
from pagebuddy.errors import CorruptMetadata

if not cython.compiled:
    from pagebuddy.allocator.checks import clear_fault, live_node
    from pagebuddy.core.aside import settle
    from pagebuddy.core.prove import prove
    from pagebuddy.core.search import count_blocks, measure, next_block
    from pagebuddy.core.spans import length, next_live
    from pagebuddy.core.state import State, node_of, page_of, place_of
    from pagebuddy.core.tree import order_around
    from pagebuddy.core.words import FIRST_NODE, is_live, low, pages_in, u64


@cython.cclass
class Inspection(State):
    """The methods of `BuddyAllocator` that only observe: no span or free page changes.

    Some of them settle the cached pages, which moves free pages between words that are not public.
    """

    geometry: Geometry

    def __contains__(self, page: SupportsIndex) -> bool:
        """Return whether a page is the first page of a live span.

        Parameters
        ----------
        page : int
            A page number. Numbers that the allocator does not have are allowed.

        Returns
        -------
        bool
            True if a live span starts there.

        Notes
        -----
        Cost: O(1); with r page ranges, O(log r).

        Examples
        --------
        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(64)
        >>> buddy.alloc(5) in buddy, 1 in buddy
        (True, False)
        """
        given = whole(page, "page", least=None)
        node: u64 = node_of(self, given) if 0 <= given < PAGE_NUMBERS else 0
        return node != 0 and is_live(self.records[node])

    def size_of(self, page: SupportsIndex, /) -> int:
        """Return the size of a live span.

        Parameters
        ----------
        page : int
            The first page of the span.

        Returns
        -------
        int
            Its number of pages.

        Raises
        ------
        BadFree
            If no live span starts at the page.

        Examples
        --------
        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(64)
        >>> buddy.size_of(buddy.alloc(5))
        5
        """
        node: u64 = live_node(self, self.geometry, page, None, None)
        n: u64 = length(self, node)
        if self.fault:
            raise clear_fault(self)
        return n

    def generation_of(self, page: SupportsIndex, /) -> int:
        """Return the generation of a live span.

        It tells the span from those that were at the same page before, or will be later.

        Parameters
        ----------
        page : int
            The first page of the span.

        Returns
        -------
        int
            A number of 32 bits, one more for each allocation.

        Raises
        ------
        BadFree
            If no live span starts at the page.

        Examples
        --------
        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(64)
        >>> page = buddy.alloc(5)
        >>> generation = buddy.generation_of(page)
        >>> buddy.free(page)
        >>> page == buddy.alloc(5), generation == buddy.generation_of(page)
        (True, False)
        """
        node: u64 = live_node(self, self.geometry, page, None, None)
        return low(self.records[node])

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield the live spans in address order.

        Yields
        ------
        (int, int)
            First page and number of pages.

        Raises
        ------
        CorruptMetadata
            If the record of a span cannot be right.

        Notes
        -----
        The span that was yielded last can be freed or resized during the loop.

        Examples
        --------
        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(64)
        >>> buddy.alloc(5), buddy.alloc(2)
        (0, 6)
        >>> list(buddy.spans())
        [(0, 5), (6, 2)]
        """
        node, found = FIRST_NODE, self._span_from(FIRST_NODE, 0)
        while found:
            node, page, n = found
            yield page, n
            found = self._span_from(node, n)

    def free_blocks(self) -> Iterator[tuple[int, int]]:
        """Yield the free blocks in address order.

        Yields
        ------
        (int, int)
            First page and order. A block of order k has 2^k pages.

        Raises
        ------
        CorruptMetadata
            If the free lists cannot be right.

        Notes
        -----
        Cached pages are returned to the free lists first.

        Examples
        --------
        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(8)
        >>> buddy.alloc(5)
        0
        >>> list(buddy.free_blocks())
        [(5, 0), (6, 1)]
        """
        found = self._block_from(FIRST_NODE)
        while found:
            node, page, order = found
            yield page, order
            found = self._block_from(node + (1 << order))

    def _span_from(self, start: u64, n: u64) -> tuple[int, int, int] | None:
        """The first live span after the n pages at a node: node, page, pages."""
        node: u64 = start
        # The span there may have grown since the caller saw it.
        if n and is_live(self.records[node]) and pages_in(self.records[node]) > n:
            n = pages_in(self.records[node])
        node = next_live(self, node + n)
        if node == 0:
            return None
        # With a length of 0 the walk would never end.
        found: u64 = length(self, node)
        if self.fault:
            raise clear_fault(self)
        return node, page_of(self, node), found

    def _block_from(self, start: u64) -> tuple[int, int, int] | None:
        """The first free block from a node on: node, page, order. Settles."""
        settle(self)
        node: u64 = next_block(self, start)
        if self.fault:
            raise clear_fault(self)
        return (
            None
            if node == 0
            else (node, page_of(self, node), order_around(self, place_of(self, node)))
        )

    def stats(self) -> Stats:
        """Return the figures of this moment.

        Returns
        -------
        Stats
            Used and free pages, the longest free run, free blocks of each order, and live spans.

        Raises
        ------
        CorruptMetadata
            If stored words cannot be right.

        Notes
        -----
        Cached pages are returned to the free lists first. Cost: a walk through the pages that were ever
        used.

        Examples
        --------
        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(64)
        >>> page = buddy.alloc(5)
        >>> stats = buddy.stats()
        >>> stats.used, stats.free, stats.largest_free, stats.n_spans
        (5, 59, 59, 1)
        """
        settle(self)
        measure(self, 0, PAGE_NUMBERS - 1)
        free, longest = self.free_pages, self.longest_run
        n_spans = 0
        node: u64 = next_live(self, FIRST_NODE)
        while node:
            n_spans += 1
            node = next_live(self, node + length(self, node)) if self.fault == 0 else 0
        blocks = tuple([count_blocks(self, k) for k in range(self.top + 1)])
        if self.fault:
            raise clear_fault(self)
        return Stats(
            n_pages=self.total,
            used=self.total - free,
            free=free,
            largest_free=longest,
            free_blocks=blocks,
            n_spans=n_spans,
        )

    def dump(self) -> str:
        """Return the whole state as text, for people.

        Returns
        -------
        str
            Page ranges, free lists, and the spans and blocks of each tree. The format can change.

        Notes
        -----
        Cached pages are returned to the free lists first. Cost: a walk, and a line for each span and
        block.

        Examples
        --------
        >>> from pagebuddy import BuddyAllocator
        >>> print(BuddyAllocator(4).dump())
        BuddyAllocator: 4 pages of 4096 bytes, 0 used in 0 spans, 4 free, longest free run 4
        free lists
          order  2: 1 of 4 pages: 0
        page range 0 to 3: 4 pages
        tree 0
          0 +4 free, order 2
        """
        return dump(self)

    def verify(self) -> None:
        """Check every invariant of the metadata.

        Raises
        ------
        CorruptMetadata
            If an invariant does not hold; its attribute `invariant` names it.

        Notes
        -----
        Cached pages are returned to the free lists first. Cost: a walk through all pages, about a
        nanosecond a page.

        Examples
        --------
        >>> from pagebuddy import BuddyAllocator
        >>> BuddyAllocator(64).verify()
        """
        if Geometry.read(self.words_owner) != self.geometry:
            raise CorruptMetadata("the stored geometry is the one that the allocator was made with")
        settle(self)
        prove(self, True)
        if self.fault:
            raise clear_fault(self)

    @property
    def metadata(self) -> memoryview:
        """The bytes that contain all state, as a writable view. `attach` accepts them, or a copy."""
        return self.words_owner.cast("B")

    @property
    def ranges(self) -> PageRanges:
        """The page ranges, adjacent ones joined, without pages that contain the metadata."""
        return PageRanges(self.geometry.sections)

    @property
    def page_size(self) -> int:
        """Bytes in a page."""
        return self.geometry.page_size

    @property
    def page_bits(self) -> int:
        """The base-2 logarithm of the bytes in a page."""
        return self.geometry.page_size.bit_length() - 1

    @property
    def max_order(self) -> int:
        """The largest order, inclusive."""
        return self.geometry.max_order

    @property
    def n_orders(self) -> int:
        """Number of orders: `max_order` + 1."""
        return self.geometry.max_order + 1

    @property
    def n_pages(self) -> int:
        """Number of pages, free and used."""
        return self.geometry.n_pages

    def __repr__(self) -> str:
        geometry = self.geometry
        return (
            f"<BuddyAllocator of {geometry.n_pages} pages of {geometry.page_size} bytes "
            f"in {len(geometry.sections)} ranges, orders 0 to {geometry.max_order}>"
        )
