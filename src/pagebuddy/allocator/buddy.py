"""BuddyAllocator: what people call. It checks arguments, asks the engine, and raises.

Compiled, this file is part of the same extension as the engine, so that a call from Python is one call
of C. Uncompiled it runs as it is.
"""

from collections.abc import Iterable
from typing import Any, SupportsIndex, TypeVar

from pagebuddy.allocator import refusals
from pagebuddy.allocator.geometry import Geometry, RangesLike
from pagebuddy.allocator.placement import as_words, carved_words, clear, own_words, zeros
from pagebuddy.allocator.vectors import new_vector, words_from, words_of_vector
from pagebuddy.arguments import LAST_PAGE, PAGE_NUMBERS, numeral, power_of_two, whole
from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.allocator.inspection import Inspection
    from pagebuddy.allocator.serialized import take_turns
    from pagebuddy.core.aside import settle
    from pagebuddy.core.batch import alloc_blocks, ascend, blocks_free, first_bad, free_all, run_all
    from pagebuddy.core.rebuild import rebuild
    from pagebuddy.core.spans import (
        commit,
        give,
        resize,
        take,
        take_aligned,
        take_block,
        take_found,
        take_given,
    )
    from pagebuddy.core.state import node_of, page_of, place_of
    from pagebuddy.core.words import N_HEADS, bytes_of, i64, is_live, u64, words_of

    def small(thing: object) -> int:
        """The value of an int that fits, not negative; -1 for anything else."""
        return thing if type(thing) is int and 0 <= thing < 1 << 63 else -1


# An order above the top is out of pages, and the error has how many were asked for. Beyond this one
# that number is not worth its memory.
LARGEST_ORDER = 4096

_B = TypeVar("_B", bound=Inspection)


@cython.cclass
class BuddyAllocator(Inspection):
    """Hands out runs of pages from page ranges, and takes them back in any order.

    All its state is one run of words, the metadata; the pages themselves are never touched. Sizes are in
    pages, and a page is a number from 0 to 2^64 - 1. Any wrong argument raises and changes nothing:
    `TypeError` and `ValueError`, `OutOfPages` where nothing free would do, `BadFree` for what is no live
    span, `CorruptMetadata` where stored words cannot be. Threads may share it; processes need a lock.

    ranges     a number of pages, `PageRanges`, or pairs of first page and number of pages
    page_size  bytes in a page, a power of two: for messages, and for `memory`
    max_order  the largest block has 2^max_order pages, at most 2^31; by default the largest that fits
    metadata   where to keep the state: a writable buffer of at least `metadata_size` bytes
    memory     the managed memory itself: the state is carved from the end of one page range. Page p lies
               at byte (p - lowest page) * page_size

    >>> buddy = BuddyAllocator(64)
    >>> buddy.alloc(5), buddy.alloc(1)
    (0, 5)
    >>> buddy.free(0)
    >>> buddy.stats().largest_free
    58
    """

    # Compiled only: the page that a plain `alloc` returned last, and the int that it is.
    last_page: u64
    last_number: object

    def __init__(
        self,
        ranges: RangesLike,
        *,
        page_size: SupportsIndex = 4096,
        max_order: SupportsIndex | None = None,
        metadata: object = None,
        memory: object = None,
    ) -> None:
        if metadata is not None and memory is not None:
            raise ValueError("both metadata and memory are given; the state can lie in one only")
        geometry = Geometry.of(ranges, page_size, max_order)
        fresh = metadata is None and memory is None
        if memory is not None:
            geometry, words = carved_words(geometry, memory)
        elif metadata is not None:
            words = as_words(metadata, "metadata", geometry.n_bytes)
        else:
            words = own_words(geometry.n_bytes)
        words = words[: geometry.n_words]
        geometry.write(words)
        if not fresh:
            # What lay in the buffer before must not come back alive.
            clear(words[geometry.table_end :])
        self._adopt(geometry, words)
        rebuild(self, N_HEADS, False)

    @staticmethod
    def metadata_size(
        ranges: RangesLike,
        *,
        page_size: SupportsIndex = 4096,
        max_order: SupportsIndex | None = None,
    ) -> int:
        """Return the bytes of metadata that an allocator of these page ranges needs.

        About 8.25 bytes a page. Errors are those of the constructor.

        >>> BuddyAllocator.metadata_size(1 << 18) / (1 << 18) < 8.3
        True
        """
        return Geometry.of(ranges, page_size, max_order).n_bytes

    @classmethod
    def attach(cls: type[_B], buffer: object, /) -> _B:
        """Return the allocator whose metadata these bytes, or a copy of them, are.

        Only the geometry is checked, so that `recover` can follow a crash. Several allocators may be
        attached to the same bytes, one at work at a time. Raises `CorruptMetadata`.

        >>> buddy = BuddyAllocator(64)
        >>> page = buddy.alloc(5)
        >>> page in BuddyAllocator.attach(bytearray(buddy.metadata))
        True
        """
        words = as_words(buffer, "buffer")
        geometry = Geometry.read(words)
        self = cls.__new__(cls)
        self._adopt(geometry, words[: geometry.n_words])
        return self

    # -- taking ----------------------------------------------------------------------------------

    def alloc(
        self,
        n: SupportsIndex,
        *,
        above: SupportsIndex | None = None,
        below: SupportsIndex | None = None,
        align: SupportsIndex | None = None,
    ) -> int:
        """Return the first page of a new span of exactly n pages.

        Between the pages above (inclusive) and below (exclusive), at a multiple of align, a power of
        two, where these are given. One block serves it where one can, and the span then starts at a
        multiple of the next power of two from n; else free blocks that lie side by side do. In a window
        the first free pages that will do are taken, across blocks. Raises `OutOfPages` if no free run
        would do. Cost: O(orders); with a window, or where no block is large enough, a scan of two bits a
        page.

        >>> buddy = BuddyAllocator(64)
        >>> buddy.alloc(3), buddy.alloc(2, align=16), buddy.alloc(1, above=40, below=50)
        (0, 16, 40)
        """
        count = small(n)
        limit: i64 = self.total
        if above is None and below is None and align is None and 0 < count <= limit:
            node: u64 = take(self, count)
            if node and self.fault == 0:
                commit(self, node, count)
                return page_of(self, node)
        return self._alloc_placed(n, above, below, align)  # type: ignore[no-any-return]

    def alloc_order(self, order: SupportsIndex, /) -> int:
        """Return the first page of a new span of 2^order pages, a multiple of that. Raises `OutOfPages`.

        >>> BuddyAllocator(64).alloc_order(3)
        0
        """
        k = whole(order, "order", most=LARGEST_ORDER)
        node: u64 = take_block(self, k) if k <= self.top else 0
        if node == 0 or self.fault:
            raise self._no_pages(1 << k, 0, LAST_PAGE, f"in one block of order {k}")
        commit(self, node, 1 << k)
        return page_of(self, node)

    def alloc_at(self, page: SupportsIndex, n_pages: SupportsIndex) -> int:
        """Make a span of these pages; return the first.

        Raises `OutOfPages` if one of them is taken, ValueError if not all lie in one page range.

        >>> BuddyAllocator(64).alloc_at(10, 4)
        10
        """
        first = whole(page, "page", most=PAGE_NUMBERS - 1)
        count = whole(n_pages, "n_pages", least=1)
        node: u64 = node_of(self, first)
        if node == 0 or count > self.end_place - place_of(self, node):
            raise ValueError(refusals.not_in_one_range(first, count, self.geometry))
        if not take_given(self, node, count) or self.fault:
            raise self._no_pages(count, first, first + count - 1, "at the pages asked for")
        commit(self, node, count)
        return first

    def alloc_many(self, order: SupportsIndex, count: SupportsIndex) -> Any:
        """Return the first pages of count new spans of 2^order pages, as an array of uint64.

        All or nothing: raises `OutOfPages` unless all fit. Much cheaper than one by one.

        >>> BuddyAllocator(64).alloc_many(2, 3).tolist()
        [0, 4, 8]
        """
        k = whole(order, "order", most=LARGEST_ORDER)
        many = whole(count, "count")
        why = f"in blocks of order {k}"
        # How many are free is a stored number: never take one for the size of an array.
        if many and (k > self.top or many > self.total >> k):
            raise self._no_pages(many << k, 0, LAST_PAGE, why)
        # This runs Python, and so, perhaps, another thread: what is free is looked at afterwards.
        pages = new_vector(many)
        words = words_from(pages, "pages")
        if many:
            settle(self)
            if many > blocks_free(self, k):
                raise self._no_pages(many << k, 0, LAST_PAGE, why)
            alloc_blocks(self, k, many, words_of(words))
            if self.fault:
                raise self._corrupt()
        return pages

    @cython.cfunc
    def _alloc_placed(
        self,
        n: SupportsIndex,
        above: SupportsIndex | None,
        below: SupportsIndex | None,
        align: SupportsIndex | None,
    ) -> Any:
        """`alloc` for everything but a plain n that can be had at once."""
        count = whole(n, "n", least=1)
        start = None if above is None else whole(above, "above")
        end = None if below is None else whole(below, "below")
        step = None if align is None else power_of_two(align, "align", most=PAGE_NUMBERS >> 1)
        if start is not None and end is not None and start > end:
            raise ValueError(
                f"above is {numeral(start)} and below is {numeral(end)}; a window goes upwards"
            )
        where = refusals.placed(start, end, step)
        bottom = start or 0
        top = PAGE_NUMBERS if end is None else min(end, PAGE_NUMBERS)
        if bottom >= top:
            raise refusals.out_of_pages(count, 0, 0, self.geometry, where)
        node: u64 = 0
        if count <= self.total:
            if start is not None or end is not None:
                node = take_found(self, count, bottom, top - 1, step or 1)
            elif step is not None:
                node = take_aligned(self, count, step)
            else:
                node = take(self, count)
        if node == 0 or self.fault:
            raise self._no_pages(count, bottom, top - 1, where)
        commit(self, node, count)
        return page_of(self, node)

    # -- giving back -----------------------------------------------------------------------------

    def free(
        self,
        page: SupportsIndex,
        *,
        n_pages: SupportsIndex | None = None,
        generation: SupportsIndex | None = None,
    ) -> None:
        """Free the live span that starts at page, whole.

        Its size need not be told; told, it must be right, and so must the generation. Raises `BadFree`,
        and changes nothing, for what is not the first page of a live span, or not of the one meant.
        Cost: O(1) for the span itself; the span freed before it is merged now, O(orders) a block.

        >>> buddy = BuddyAllocator(64)
        >>> buddy.free(buddy.alloc(5), n_pages=5)
        >>> buddy.free(0)
        Traceback (most recent call last):
            ...
        pagebuddy.errors.BadFree: page 0 is free already: was it freed twice?
        """
        given = small(page)
        node: u64 = node_of(self, given) if given >= 0 else 0
        if node and is_live(self.links[node]) and n_pages is None and generation is None:
            give(self, node)
        elif self.fault == 0:
            give(self, self._live(page, n_pages, generation))
        if self.fault:
            raise self._corrupt()

    def free_many(self, pages: Iterable[int], /) -> None:
        """Free the live spans that start at these pages: an array of uint64 or any iterable of ints.

        All or nothing: raises `BadFree` if one is no live span's first page, or stands there twice.
        Neighbours that come one after the other are merged as one. Cost: cheapest where pages ascend.

        >>> buddy = BuddyAllocator(64)
        >>> buddy.free_many(buddy.alloc_many(0, 64))
        >>> buddy.stats().free
        64
        """
        words = words_from(pages, "pages")
        count: u64 = len(words)
        if count == 0:
            return
        given = words_of(words)
        room: u64 = 0 if ascend(given, count) else self.n_nodes
        seen = zeros((room >> 3) + 1) if room else words
        bad = first_bad(self, given, count, bytes_of(seen), room)
        if self.fault:
            raise self._corrupt()
        if bad < count:
            self._live(words[bad], None, None)
            raise refusals.given_twice(words[bad])
        free_all(self, given, count)
        if self.fault:
            raise self._corrupt()

    def resize(self, page: SupportsIndex, n_pages: SupportsIndex) -> bool:
        """Make the live span at page n_pages long, in place; return whether that could be done.

        It grows into free pages behind it, or gives back its tail; it never moves, and its generation
        stays. Raises `BadFree` for what is no live span's first page.

        >>> buddy = BuddyAllocator(64)
        >>> page = buddy.alloc(5)
        >>> buddy.resize(page, 20), buddy.resize(page, 65), buddy.size_of(page)
        (True, False, 20)
        """
        count = whole(n_pages, "n_pages", least=1)
        node: u64 = self._live(page, None, None)
        done = count <= self.total and resize(self, node, count)
        if self.fault:
            raise self._corrupt()
        return done

    def run(self, ops: Iterable[int], pages: object) -> int:
        """Run a prepared list of operations in one native loop; return how many allocations failed.

        ops    uint64 array, an operation an item: `what << 32 | slot`. What 0 frees the span whose first
               page is `pages[slot]`; n allocates n pages; 2^31 + k allocates a block of order k
        pages  writable uint64 array, an item a slot: first pages, or 2^64 - 1 for none. An operation on
               a slot with none frees nothing

        Stops with an error at an operation that is none, or that frees what is not live. Cost: 3 ns an
        operation more than the operation itself.

        >>> from array import array
        >>> pages = array("Q", [0, 0])
        >>> BuddyAllocator(64).run(array("Q", [5 << 32 | 0, 1 << 32 | 1, 0 << 32 | 0]), pages)
        0
        >>> pages[1]
        5
        """
        todo = words_from(ops, "ops")
        slots = words_of_vector(pages, writable=True)
        if slots is None:
            raise TypeError("pages must be a writable, contiguous array of uint64")
        if PAGE_NUMBERS - 1 in self.ranges:
            raise ValueError(
                "page 2^64 - 1 cannot be told from none here; leave it out of the ranges"
            )
        n_ops: u64 = len(todo)
        failed = run_all(
            self,
            words_of(todo),
            n_ops,
            words_of(slots),
            len(slots),
        )
        if self.fault:
            raise self._corrupt()
        stopped: u64 = self.run_begin
        if stopped != n_ops:
            slot = todo[stopped] & 0xFFFF_FFFF
            if slot >= len(slots):
                raise ValueError(
                    f"operation {stopped} names slot {slot}; pages has slots 0 to {len(slots) - 1}"
                )
            self._live(slots[slot], None, None)
        return failed


if not cython.compiled:
    take_turns(
        BuddyAllocator,
        (
            *("alloc", "alloc_order", "alloc_at", "alloc_many", "free", "free_many"),
            *("resize", "run", "__contains__", "size_of", "generation_of", "stats", "verify"),
            *("recover", "_span_from", "_block_from", "__reduce__"),
        ),
        mend=lambda buddy: rebuild(buddy, buddy.n_nodes, False),
    )
