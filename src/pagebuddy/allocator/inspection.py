"""Inspection: what can be seen of an allocator, proved of it, and rebuilt."""

from collections.abc import Iterator
from typing import Any, SupportsIndex, cast

from pagebuddy.allocator import refusals
from pagebuddy.allocator.dump import dump
from pagebuddy.allocator.geometry import Geometry
from pagebuddy.allocator.ranges import PageRanges
from pagebuddy.allocator.stats import Stats
from pagebuddy.arguments import PAGE_NUMBERS, whole
from pagebuddy.core import stand_in as cython
from pagebuddy.errors import CorruptMetadata, PageBuddyError

if not cython.compiled:
    from threading import RLock

    from pagebuddy.core.aside import settle
    from pagebuddy.core.prove import prove
    from pagebuddy.core.rebuild import rebuild
    from pagebuddy.core.search import measure, next_block
    from pagebuddy.core.spans import length, next_live
    from pagebuddy.core.state import State, node_of, page_of, place_of, use, use_node
    from pagebuddy.core.tree import order_around
    from pagebuddy.core.words import (
        H_ASIDE,
        H_COUNTS,
        N_HEADS,
        is_live,
        low,
        pages_in,
        u64,
        words_of,
    )

    OURS = f"{__name__.partition('.')[0]}."


@cython.cclass
class Inspection(State):
    """An allocator's words and geometry, and all that only looks at them or mends them."""

    __weakref__: object

    geometry: Geometry
    # Uncompiled only: see `turns`.
    turn: Any
    in_turn: object

    def _adopt(self, geometry: Geometry, words: memoryview) -> None:
        """Work on these words from now on."""
        table = memoryview(geometry.table())
        self.geometry = geometry
        self.words_owner = words
        self.table_owner = table
        self.words = words_of(words)
        self.links = words_of(words[geometry.links_at :])
        self.table = words_of(table)
        if not cython.compiled:
            self.turn = RLock()
            self.in_turn = False
        self.n_sections = len(geometry.sections)
        self.total = geometry.n_pages
        self.n_nodes = N_HEADS + self.total
        self.top = geometry.max_order
        self.first_page = self.pages = self.first_node = self.end_node = 0
        self.first_place = self.end_place = 0
        self.fault = 0
        self.sparse = self.holes = False
        if self.n_sections:
            use(self, 0)

    def __contains__(self, page: SupportsIndex) -> bool:
        """Whether page is the first of a live span.

        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(64)
        >>> buddy.alloc(5) in buddy, 1 in buddy
        (True, False)
        """
        given = whole(page, "page", least=None)
        node: u64 = node_of(self, given) if 0 <= given < PAGE_NUMBERS else 0
        return node != 0 and is_live(self.links[node])

    def size_of(self, page: SupportsIndex, /) -> int:
        """Return the pages of the live span that starts at page; raises `BadFree` if none does.

        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(64)
        >>> buddy.size_of(buddy.alloc(5))
        5
        """
        node: u64 = self._live(page, None, None)
        n: u64 = length(self, node)
        if self.fault:
            raise self._corrupt()
        return n

    def generation_of(self, page: SupportsIndex, /) -> int:
        """Return the number that tells the live span at page from others there before and after.

        32 bits, one more with each span allocated. Raises `BadFree`.

        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(64)
        >>> page = buddy.alloc(5)
        >>> told = buddy.generation_of(page)
        >>> buddy.free(page)
        >>> page == buddy.alloc(5), told == buddy.generation_of(page)
        (True, False)
        """
        node: u64 = self._live(page, None, None)
        return low(self.links[node])

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield (first page, number of pages) of the live spans, in address order.

        The current one may be freed or resized during the walk. Raises `CorruptMetadata`.

        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(64)
        >>> buddy.alloc(5), buddy.alloc(2)
        (0, 6)
        >>> list(buddy.spans())
        [(0, 5), (6, 2)]
        """
        node, found = N_HEADS, self._span_from(N_HEADS, 0)
        while found:
            node, page, n = found
            yield page, n
            found = self._span_from(node, n)

    def free_blocks(self) -> Iterator[tuple[int, int]]:
        """Yield (first page, order) of the free blocks, in address order. What is aside is settled.

        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(8)
        >>> buddy.alloc(5)
        0
        >>> list(buddy.free_blocks())
        [(5, 0), (6, 1)]
        """
        found = self._block_from(N_HEADS)
        while found:
            node, page, order = found
            yield page, order
            found = self._block_from(node + (1 << order))

    def _span_from(self, start: u64, n: u64) -> tuple[int, int, int] | None:
        """The first live span behind the n pages at a node, as they are now: node, page, pages."""
        node: u64 = start
        if n and is_live(self.links[node]) and pages_in(self.links[node]) > n:
            n = pages_in(self.links[node])
        node = next_live(self, node + n)
        if node == 0:
            return None
        # A length that cannot be would keep a walk at its place for ever.
        found: u64 = length(self, node)
        if self.fault:
            raise self._corrupt()
        return node, page_of(self, node), found

    def _block_from(self, start: u64) -> tuple[int, int, int] | None:
        """The first free block from a node on: node, page, order."""
        settle(self)
        node: u64 = next_block(self, start)
        if self.fault:
            raise self._corrupt()
        return (
            None
            if node == 0
            else (node, page_of(self, node), order_around(self, place_of(self, node)))
        )

    def stats(self) -> Stats:
        """Return the figures, as `Stats`. What is aside is settled; cost: a walk.

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
        node: u64 = next_live(self, N_HEADS)
        while node:
            n_spans += 1
            node = next_live(self, node + length(self, node)) if self.fault == 0 else 0
        if self.fault:
            raise self._corrupt()
        return Stats(
            n_pages=self.total,
            used=self.total - free,
            free=free,
            largest_free=longest,
            free_blocks=tuple([self.words[H_COUNTS + k] for k in range(self.top + 1)]),
            n_spans=n_spans,
        )

    def dump(self) -> str:
        """Return the whole state as text: page ranges, lists, and each tree's spans and blocks.

        For people, not for programs. Cost: a walk, and a line for each span and block.

        >>> from pagebuddy import BuddyAllocator
        >>> print(BuddyAllocator(4).dump())
        BuddyAllocator: 4 pages of 4096 bytes, 0 used in 0 spans, 4 free, the longest free run 4
        free lists
          order  2: 1 of 4 pages: 0
        page range 0 to 3: 4 pages
        tree 0
          0 +4 free, order 2
        """
        return dump(self)

    def verify(self) -> None:
        """Prove every invariant, walking everything. Raises `CorruptMetadata` naming the one broken.

        What is aside is settled. Cost: about a nanosecond a page.

        >>> from pagebuddy import BuddyAllocator
        >>> BuddyAllocator(64).verify()
        """
        if Geometry.read(self.words_owner) != self.geometry:
            raise CorruptMetadata("the geometry is what it was")
        settle(self)
        prove(self, True)
        if self.fault:
            raise self._corrupt()

    def recover(self) -> None:
        """Rebuild lists, bits and counts from the records of the live spans alone: after a crash.

        No span is lost and none invented, wherever the crash was. Raises `CorruptMetadata`, and changes
        nothing, if a record itself cannot be. Cost: about a nanosecond a page.

        >>> from pagebuddy import BuddyAllocator
        >>> buddy = BuddyAllocator(64)
        >>> page = buddy.alloc(5)
        >>> buddy.recover()
        >>> list(buddy.spans()), buddy.stats().free
        ([(0, 5)], 59)
        """
        self.fault = 0
        rebuild(self, self.n_nodes, True)
        if self.fault:
            raise self._corrupt()

    @property
    def metadata(self) -> memoryview:
        """A writable view of the bytes that are all of the state: `attach` takes it, or a copy."""
        return self.words_owner.cast("B")

    @property
    def ranges(self) -> PageRanges:
        """The page ranges, touching ones joined, without the pages that metadata was carved from."""
        return PageRanges(self.geometry.sections)

    @property
    def page_size(self) -> int:
        """Bytes in a page."""
        return self.geometry.page_size

    @property
    def page_bits(self) -> int:
        """log2 of the bytes in a page."""
        return self.geometry.page_size.bit_length() - 1

    @property
    def max_order(self) -> int:
        """The largest order; inclusive."""
        return self.geometry.max_order

    @property
    def n_orders(self) -> int:
        """How many orders there are: max_order + 1."""
        return self.geometry.max_order + 1

    @property
    def n_pages(self) -> int:
        """How many pages there are, free and used."""
        return self.geometry.n_pages

    def __repr__(self) -> str:
        geometry = self.geometry
        return (
            f"<BuddyAllocator of {geometry.n_pages} pages of {geometry.page_size} bytes "
            f"in {len(geometry.sections)} ranges, orders 0 to {geometry.max_order}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        made = cast(Any, type(self)).attach, (bytearray(self.metadata),)
        theirs = getattr(self, "__dict__", {})
        if not cython.compiled:
            classes = [each for each in type(self).__mro__ if each.__module__.startswith(OURS)]
            ours = {name for each in classes for name in each.__annotations__}
            theirs = {name: value for name, value in theirs.items() if name not in ours}
        # What a derived class adds is not in the metadata.
        return (*made, theirs) if theirs else made

    def __setstate__(self, theirs: dict[str, object]) -> None:
        for name, value in theirs.items():
            setattr(self, name, value)

    # -- refusing --------------------------------------------------------------------------------

    @cython.exceptval(0)
    @cython.cfunc
    def _live(
        self,
        page: SupportsIndex,
        n_pages: SupportsIndex | None,
        generation: SupportsIndex | None,
    ) -> u64:
        """The node of the live span at page, which is the one expected; else `BadFree`."""
        # Reading a number runs Python, so perhaps another thread: all are read before the first look.
        given = whole(page, "page", least=None)
        n_told = None if n_pages is None else whole(n_pages, "n_pages")
        generation_told = None if generation is None else whole(generation, "generation")
        node: u64 = node_of(self, given) if 0 <= given < PAGE_NUMBERS else 0
        if node == 0:
            raise refusals.outside(given, self.geometry)
        word: u64 = self.links[node]
        if not is_live(word):
            raise refusals.not_live(given, self._is_free(node))
        if n_told is not None and n_told != pages_in(word):
            raise refusals.other_size(given, n_told, pages_in(word))
        if generation_told is not None and generation_told != low(word):
            raise refusals.other_generation(given, generation_told, low(word))
        return node

    @cython.exceptval(check=False)
    @cython.cfunc
    def _is_free(self, node: u64) -> cython.bint:
        """Whether a node of the section in use is in a free block or aside."""
        aside = self.words[H_ASIDE]
        if 0 <= node - low(aside) < pages_in(aside):
            return True
        return order_around(self, place_of(self, node)) <= self.top

    @cython.cfunc
    def _no_pages(self, requested: int, above: u64, last: u64, where: str) -> PageBuddyError:
        """Why nothing was found between the pages above and last: `OutOfPages`, or a fault."""
        settle(self)
        measure(self, above, last)
        if self.fault:
            return self._corrupt()
        return refusals.out_of_pages(
            requested, self.free_pages, self.longest_run, self.geometry, where
        )

    @cython.cfunc
    def _corrupt(self) -> CorruptMetadata:
        """The fault that the engine noted, as an exception; it can then be mended and used again."""
        fault, node = self.fault, self.fault_node
        self.fault = 0
        page = page_of(self, node) if node >= N_HEADS and use_node(self, node) else None
        return refusals.corrupt(fault, node, page)
