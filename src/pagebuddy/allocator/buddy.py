"""BuddyAllocator: the public class. It checks arguments, calls the engine, and raises errors.

Compiled, this file is part of the same extension as the engine, so that a call from Python is one call
of C. Uncompiled, it runs as it is.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, cast

from pagebuddy.allocator import refusals
from pagebuddy.allocator.geometry import Geometry, RangesLike
from pagebuddy.allocator.placement import as_words, carved_words, clear, own_words, zeros
from pagebuddy.allocator.vectors import new_vector, words_from, words_of_vector
from pagebuddy.arguments import LAST_PAGE, PAGE_NUMBERS, numeral, power_of_two, whole
from pagebuddy.core import stand_in as cython
from pagebuddy.errors import OutOfPages

if not cython.compiled:
    from threading import RLock

    from pagebuddy.allocator.checks import clear_fault, live_node, out_of_pages
    from pagebuddy.allocator.inspection import Inspection
    from pagebuddy.allocator.serialized import serialize_calls
    from pagebuddy.core.batch import alloc_blocks, ascend, first_bad, free_all, run_all
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
    from pagebuddy.core.state import node_of, page_of, place_of, use
    from pagebuddy.core.words import FIRST_NODE, bytes_of, i64, is_live, u64, words_of

    OURS = f"{__name__.partition('.')[0]}."

    def small(thing: object) -> int:
        """The value of an int from 0 to 2^63 - 1; -1 for anything else."""
        return thing if type(thing) is int and 0 <= thing < 1 << 63 else -1


if TYPE_CHECKING:
    from array import array

    from numpy import uint64
    from numpy.typing import NDArray
    from typing_extensions import Buffer as SupportsBuffer

# `alloc_order` reports larger orders as OutOfPages, with the number of pages, up to this one. The number
# of pages of a larger order would itself take much memory.
LARGEST_ORDER = 4096

_B = TypeVar("_B", bound="BuddyAllocator")


@cython.cclass
class BuddyAllocator(Inspection):
    """Allocates runs of pages from page ranges, and frees them in any order.

    Pages are numbers; the allocator never reads or writes the pages themselves.

    Parameters
    ----------
    ranges : int, PageRanges, or iterable of (int, int)
        The pages to manage: a number of pages, starting at page 0, or page ranges as pairs of first page
        and number of pages. Page numbers are from 0 to 2^64 - 1.
    page_size : int, optional
        Bytes in a page, a power of two. 4096 by default. Used for error messages and for `memory`.
    max_order : int, optional
        The largest block has 2^max_order pages; at most 31. By default, the largest order of which a
        block fits into the ranges.
    metadata : writable buffer, optional
        Where to keep the allocator's state: at least `metadata_size` bytes, aligned to 8 bytes. By
        default, the allocator gets memory of its own.
    memory : writable buffer, optional
        The managed memory itself: the state is kept in pages from the end of the highest page range that
        is long enough. Page p is at byte (p - lowest page) * page_size.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If there are no pages or more than 2^31 - 64, page ranges overlap, an argument is out of its
        range, a buffer is too small, read-only or not aligned, or both buffers are given.
    OutOfPages
        If `memory` has no room for the state and at least one page.

    Notes
    -----
    A call that raises an error changes nothing, except `run`. Threads can share an allocator; processes
    that share its metadata need a lock. The state takes about 8.4 bytes a page.

    Spans that were freed last, and the rest of the block that was split last, are *cached*: kept outside
    the free lists, so that the next allocation can take them at once. If they are needed elsewhere, they
    are returned to the free lists.

    Examples
    --------
    >>> buddy = BuddyAllocator(64)
    >>> buddy.alloc(5), buddy.alloc(1)
    (0, 5)
    >>> buddy.free(0)
    >>> buddy.stats().largest_free
    58
    """

    __weakref__: object

    # Uncompiled only: see `serialized`.
    call_lock: Any
    in_call: object

    # Compiled only: the page that a plain `alloc` returned last, and the int object for it.
    last_page: u64
    last_number: object

    def __init__(
        self,
        ranges: RangesLike,
        *,
        page_size: SupportsIndex = 4096,
        max_order: SupportsIndex | None = None,
        metadata: "SupportsBuffer | None" = None,
        memory: "SupportsBuffer | None" = None,
    ) -> None:
        """Build an allocator; the class describes the parameters."""
        if metadata is not None and memory is not None:
            raise ValueError("metadata and memory are both given; give one of them")
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
            # Old records in the buffer must not be taken for live spans.
            clear(words[geometry.table_end :])
        self._adopt(geometry, words)
        rebuild(self, FIRST_NODE, False)

    def _adopt(self, geometry: Geometry, words: memoryview) -> None:
        """Work on these words from now on."""
        table = memoryview(geometry.table())
        self.geometry = geometry
        self.words_owner = words
        self.table_owner = table
        self.words = words_of(words)
        self.groups = words_of(words[geometry.groups_at :])
        self.records = words_of(words[geometry.records_at :])
        self.table = words_of(table)
        if not cython.compiled:
            self.call_lock = RLock()
            self.in_call = False
        self.n_sections = len(geometry.sections)
        self.total = geometry.n_pages
        self.n_nodes = FIRST_NODE + self.total
        self.n_groups = geometry.n_groups
        self.top = geometry.max_order
        self.first_page = self.pages = self.first_node = self.end_node = 0
        self.first_place = self.end_place = self.first_group = self.end_group = 0
        self.fault = 0
        self.sparse = self.holes = False
        if self.n_sections:
            use(self, 0)

    @staticmethod
    def metadata_size(
        ranges: RangesLike,
        *,
        page_size: SupportsIndex = 4096,
        max_order: SupportsIndex | None = None,
    ) -> int:
        """Return how many bytes of metadata an allocator needs.

        Parameters
        ----------
        ranges : int, PageRanges, or iterable of (int, int)
            The pages to manage, as for the class.
        page_size : int, optional
            Bytes in a page, a power of two. 4096 by default.
        max_order : int, optional
            The largest order, at most 31. By default the largest that fits.

        Returns
        -------
        int
            Bytes, about 8.4 a page.

        Raises
        ------
        TypeError, ValueError
            As the class.

        Examples
        --------
        >>> BuddyAllocator.metadata_size(1 << 18) / (1 << 18) < 8.4
        True
        """
        return Geometry.of(ranges, page_size, max_order).n_bytes

    @classmethod
    def attach(cls: type[_B], buffer: "SupportsBuffer", /) -> _B:
        """Return an allocator that works on existing metadata.

        Parameters
        ----------
        buffer : writable buffer
            The bytes of `metadata`, or a copy of them.

        Returns
        -------
        BuddyAllocator
            An allocator with the same page ranges and the same live spans.

        Raises
        ------
        CorruptMetadata
            If the bytes are not the metadata of an allocator.
        TypeError, ValueError
            If the argument is not a writable buffer, aligned to 8 bytes.

        Notes
        -----
        Only the geometry is checked, so that `recover` can be called after a crash. Several allocators
        can be attached to the same bytes; only one may be called at a time.

        Examples
        --------
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

    # -- allocating ------------------------------------------------------------------------------

    def alloc(
        self,
        n: SupportsIndex,
        *,
        above: SupportsIndex | None = None,
        below: SupportsIndex | None = None,
        align: SupportsIndex | None = None,
    ) -> int:
        """Allocate a span of exactly n pages.

        Parameters
        ----------
        n : int
            Number of pages, at least 1.
        above : int, optional
            The lowest page that the span may contain. Without it, there is no lower limit.
        below : int, optional
            The first page above the span's limit: all its pages are lower. By default there is no limit.
        align : int, optional
            The first page is a multiple of this number of pages, a power of two. 1 by default.

        Returns
        -------
        int
            The first page of the span.

        Raises
        ------
        OutOfPages
            If no free run is large enough, or none within the window and with the alignment.
        ValueError
            If n is less than 1, `align` is not a power of two, a number is negative, or `above` is
            larger than `below`.

        Notes
        -----
        If one free block is large enough, the span starts at a multiple of the next power of two from n
        on; otherwise it can span adjacent free blocks. With `above` or `below`, the first free run that
        is large enough is used. Cost: O(orders). With a window, or if no single block is large enough, a
        search that reads a bit a page.

        Examples
        --------
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
        """Allocate a block: a span of 2^order pages that starts at a multiple of its size.

        Parameters
        ----------
        order : int
            The base-2 logarithm of the number of pages.

        Returns
        -------
        int
            The first page of the span.

        Raises
        ------
        OutOfPages
            If no free block is large enough.
        ValueError
            If the order is negative, or larger than 4096.

        Notes
        -----
        Cost: O(orders).

        Examples
        --------
        >>> BuddyAllocator(64).alloc_order(3)
        0
        """
        k = whole(order, "order", most=LARGEST_ORDER)
        node: u64 = take_block(self, k) if k <= self.top else 0
        if node == 0 or self.fault:
            where = f"in one block of order {k}"
            raise out_of_pages(self, self.geometry, 1 << k, 0, LAST_PAGE, where)
        commit(self, node, 1 << k)
        return page_of(self, node)

    def alloc_at(self, page: SupportsIndex, n_pages: SupportsIndex) -> int:
        """Allocate given pages.

        Parameters
        ----------
        page : int
            The first page of the span.
        n_pages : int
            Number of pages, at least 1.

        Returns
        -------
        int
            The first page of the span: `page`.

        Raises
        ------
        OutOfPages
            If one of the pages is not free.
        ValueError
            If the pages are not all in one page range.

        Examples
        --------
        >>> BuddyAllocator(64).alloc_at(10, 4)
        10
        """
        first = whole(page, "page", most=PAGE_NUMBERS - 1)
        count = whole(n_pages, "n_pages", least=1)
        node: u64 = node_of(self, first)
        if node == 0 or count > self.end_place - place_of(self, node):
            raise refusals.not_in_one_range(first, count, self.geometry)
        if not take_given(self, node, count) or self.fault:
            last = first + count - 1
            raise out_of_pages(self, self.geometry, count, first, last, "at the given pages")
        commit(self, node, count)
        return first

    def alloc_many(
        self, order: SupportsIndex, count: SupportsIndex
    ) -> "NDArray[uint64] | array[int]":
        """Allocate many blocks of one order, or none.

        Parameters
        ----------
        order : int
            The base-2 logarithm of the number of pages of each block.
        count : int
            Number of blocks.

        Returns
        -------
        numpy.ndarray or array.array
            The first page of each block, as uint64, of length `count`. An ``array("Q")`` if numpy is not
            installed.

        Raises
        ------
        OutOfPages
            If there are not enough free blocks for all of them.
        ValueError
            If a number is negative, or the order is larger than 4096.

        Notes
        -----
        Much cheaper than one call for each block.

        Examples
        --------
        >>> BuddyAllocator(64).alloc_many(2, 3).tolist()
        [0, 4, 8]
        """
        k = whole(order, "order", most=LARGEST_ORDER)
        many = whole(count, "count")
        where = f"in blocks of order {k}"
        if many and (k > self.top or many > self.total >> k):
            raise out_of_pages(self, self.geometry, many << k, 0, LAST_PAGE, where)
        pages = new_vector(many)
        words = words_of_vector(pages)
        assert words is not None
        if many:
            done = alloc_blocks(self, k, many, words_of(words))
            if not done:
                raise out_of_pages(self, self.geometry, many << k, 0, LAST_PAGE, where)
            if self.fault:
                raise clear_fault(self)
        return pages

    @cython.cfunc
    def _alloc_placed(
        self,
        n: SupportsIndex,
        above: SupportsIndex | None,
        below: SupportsIndex | None,
        align: SupportsIndex | None,
    ) -> Any:
        """`alloc` for everything but a plain n that is available at once."""
        count = whole(n, "n", least=1)
        start = None if above is None else whole(above, "above")
        end = None if below is None else whole(below, "below")
        step = None if align is None else power_of_two(align, "align", most=PAGE_NUMBERS >> 1)
        if start is not None and end is not None and start > end:
            raise ValueError(
                f"above is {numeral(start)} and below is {numeral(end)}; "
                "above must not be larger than below"
            )
        where = refusals.placed(start, end, step)
        bottom = start or 0
        top = PAGE_NUMBERS if end is None else min(end, PAGE_NUMBERS)
        if bottom >= top:
            raise OutOfPages(count, 0, 0, self.geometry.page_size, where)
        node: u64 = 0
        if count <= self.total:
            if start is not None or end is not None:
                node = take_found(self, count, bottom, top - 1, step or 1)
            elif step is not None:
                node = take_aligned(self, count, step)
            else:
                node = take(self, count)
        if node == 0 or self.fault:
            raise out_of_pages(self, self.geometry, count, bottom, top - 1, where)
        commit(self, node, count)
        return page_of(self, node)

    # -- freeing and resizing --------------------------------------------------------------------

    def free(
        self,
        page: SupportsIndex,
        *,
        n_pages: SupportsIndex | None = None,
        generation: SupportsIndex | None = None,
    ) -> None:
        """Free a live span.

        Parameters
        ----------
        page : int
            The first page of the span.
        n_pages : int, optional
            The number of pages that the caller expects the span to have. Not checked by default.
        generation : int, optional
            The generation that the caller expects, as from `generation_of`. Not checked by default.

        Raises
        ------
        BadFree
            If no live span starts at the page, or it is not the one expected.
        CorruptMetadata
            If stored words cannot be right.

        Notes
        -----
        Cost: O(1) for the span itself, which is cached; the run that was cached before is merged now, at
        O(orders) for each of its blocks.

        Examples
        --------
        >>> buddy = BuddyAllocator(64)
        >>> buddy.free(buddy.alloc(5), n_pages=5)
        >>> buddy.free(0)
        Traceback (most recent call last):
            ...
        pagebuddy.errors.BadFree: page 0 is free already: was it freed twice?
        """
        given = small(page)
        node: u64 = node_of(self, given) if given >= 0 else 0
        if node and is_live(self.records[node]) and n_pages is None and generation is None:
            give(self, node)
        elif self.fault == 0:
            give(self, live_node(self, self.geometry, page, n_pages, generation))
        if self.fault:
            raise clear_fault(self)

    def free_many(self, pages: Iterable[int], /) -> None:
        """Free many live spans, or none.

        Parameters
        ----------
        pages : array of uint64, or iterable of int
            The first page of each span.

        Raises
        ------
        BadFree
            If a page is not the first page of a live span, or is given twice.
        TypeError, ValueError
            If something is not an integer, or not a page number.

        Notes
        -----
        Adjacent spans that follow each other in `pages` are merged as one. Cheapest if the pages ascend,
        and as an array.

        Examples
        --------
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
            raise clear_fault(self)
        if bad < count:
            live_node(self, self.geometry, words[bad], None, None)
            raise refusals.given_twice(words[bad])
        free_all(self, given, count)
        if self.fault:
            raise clear_fault(self)

    def resize(self, page: SupportsIndex, n_pages: SupportsIndex) -> bool:
        """Change the size of a live span in place.

        Parameters
        ----------
        page : int
            The first page of the span.
        n_pages : int
            The new number of pages, at least 1.

        Returns
        -------
        bool
            False if the span cannot grow because the pages after it are not free. Nothing changes then.

        Raises
        ------
        BadFree
            If no live span starts at the page.
        ValueError
            If the number of pages is less than 1.

        Notes
        -----
        The span never moves, and keeps its generation. A span that shrinks frees its last pages.

        Examples
        --------
        >>> buddy = BuddyAllocator(64)
        >>> page = buddy.alloc(5)
        >>> buddy.resize(page, 20), buddy.resize(page, 65), buddy.size_of(page)
        (True, False, 20)
        """
        count = whole(n_pages, "n_pages", least=1)
        node: u64 = live_node(self, self.geometry, page, None, None)
        done = count <= self.total and resize(self, node, count)
        if self.fault:
            raise clear_fault(self)
        return done

    def run(self, ops: Iterable[int], pages: "SupportsBuffer") -> int:
        """Run a prepared list of allocations and frees in one native loop.

        Parameters
        ----------
        ops : array of uint64, or iterable of int
            The operations, each ``what << 32 | slot``. If `what` is 0, the span at ``pages[slot]`` is
            freed. If it is n, n pages are allocated; if it is 2^31 + k, a block of order k.
        pages : writable array of uint64
            The slots: each contains the first page of a span, or 2^64 - 1 for none. An allocation writes
            to its slot, and a free empties it. Freeing an empty slot does nothing.

        Returns
        -------
        int
            How many allocations failed. Their slots are empty.

        Raises
        ------
        BadFree
            If an operation frees a page that is not the first page of a live span.
        TypeError
            If `pages` is not a writable, contiguous array of uint64.
        ValueError
            If an operation names a slot that does not exist, or the allocator has page 2^64 - 1.

        Notes
        -----
        If an operation raises an error, those before it have been carried out. Cost: 3 ns an operation
        more than the operation itself.

        Examples
        --------
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
                "page 2^64 - 1 marks an empty slot in run(); leave that page out of the ranges"
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
            raise clear_fault(self)
        stopped: u64 = self.run_begin
        if stopped != n_ops:
            slot = todo[stopped] & 0xFFFF_FFFF
            if slot >= len(slots):
                raise ValueError(
                    f"operation {stopped} names slot {slot}; pages has slots 0 to {len(slots) - 1}"
                )
            page = slots[slot]
            live_node(self, self.geometry, page, None, None)
            # It is live now: another thread or process has stored it since.
            raise refusals.changed(page)
        return failed

    # -- repairing and pickling ------------------------------------------------------------------

    def recover(self) -> None:
        """Rebuild all derived state from the records of the live spans, after a crash.

        Raises
        ------
        CorruptMetadata
            If a record itself cannot be right. Nothing changes then.

        Notes
        -----
        No span is lost, and none is invented, wherever in a call the process was killed. Cost: a walk
        through all pages, about a nanosecond a page.

        Examples
        --------
        >>> buddy = BuddyAllocator(64)
        >>> page = buddy.alloc(5)
        >>> buddy.recover()
        >>> list(buddy.spans()), buddy.stats().free
        ([(0, 5)], 59)
        """
        self.fault = 0
        rebuild(self, self.n_nodes, True)
        if self.fault:
            raise clear_fault(self)

    def __reduce__(self) -> tuple[Any, ...]:
        made = cast(Any, type(self)).attach, (bytearray(self.metadata),)
        # A subclass can have attributes of its own, which are not in the metadata.
        theirs = getattr(self, "__dict__", {})
        if not cython.compiled:
            classes = [each for each in type(self).__mro__ if each.__module__.startswith(OURS)]
            ours = {name for each in classes for name in each.__annotations__}
            theirs = {name: value for name, value in theirs.items() if name not in ours}
        return (*made, theirs) if theirs else made

    def __setstate__(self, theirs: dict[str, object]) -> None:
        for name, value in theirs.items():
            setattr(self, name, value)


if not cython.compiled:
    serialize_calls(
        BuddyAllocator,
        (
            *("alloc", "alloc_order", "alloc_at", "alloc_many", "free", "resize"),
            *("__contains__", "size_of", "generation_of", "stats", "verify"),
            *("recover", "_span_from", "_block_from", "__reduce__"),
        ),
        batches=("free_many", "run"),
        repair=lambda buddy: rebuild(buddy, buddy.n_nodes, False),
    )
