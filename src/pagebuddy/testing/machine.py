"""A Hypothesis state machine that compares an allocator with the naive model after every call.

    TestMine = machine_for(MyAllocator).TestCase

or, to choose the settings, `run_state_machine_as_test(machine_for(MyAllocator), settings=...)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pagebuddy import BadFree, BuddyAllocator, PageRanges
from pagebuddy.testing.model import NaiveAllocator
from pagebuddy.testing.outcomes import out_of_pages, refused
from pagebuddy.testing.strategies import TOP, page_ranges

PAGE_SIZE = 64
"""In bytes. Small, so that metadata inside the managed memory takes several pages of a small range."""

Window: TypeAlias = "tuple[int, int] | None"

_picks = st.integers(0, 1 << 16)
_offsets = st.integers(-2, 400)
_lengths = st.one_of(st.integers(1, 12), st.integers(1, 100))
_windows: st.SearchStrategy[Window] = st.one_of(
    st.none(),
    st.tuples(st.integers(0, 330), st.integers(0, 330)).map(
        lambda window: (min(window), max(window))
    ),
)


class AllocatorMachine(RuleBasedStateMachine):
    """Makes every call of an allocator in any order, on random ranges and with metadata in any place.

    Several allocators on the same bytes are called alternately, so that all state must be in the bytes.
    Only the rule `settle` settles cached pages: a check that does so after each step would prevent their
    reuse.
    """

    allocator: ClassVar[type[BuddyAllocator]] = BuddyAllocator

    def __init__(self) -> None:
        super().__init__()
        self.buddies: list[BuddyAllocator] = []
        self.generations: dict[int, int] = {}

    @initialize(
        ranges=page_ranges(),
        max_order=st.one_of(st.none(), st.integers(0, 9), st.just(31)),
        place=st.sampled_from(["own", "buffer", "memory"]),
    )
    def construct(self, ranges: list[tuple[int, int]], max_order: int | None, place: str) -> None:
        given = PageRanges(ranges)
        lowest = min(first for first, _ in ranges)
        extent = max(first + n for first, n in ranges) - lowest
        size = self.allocator.metadata_size(given, page_size=PAGE_SIZE, max_order=max_order)
        if (
            place == "memory"
            and extent < 1 << 12
            and max(ranges, key=_length)[1] * PAGE_SIZE > size
        ):
            memory = bytearray(b"\xa5" * (extent * PAGE_SIZE))
            buddy = self.allocator(given, page_size=PAGE_SIZE, max_order=max_order, memory=memory)
            top = len(buddy.stats().free_blocks) - 1
            left = [(first, 1 << order) for first, order in buddy.free_blocks()]
            self.model = NaiveAllocator(left, max_order=top)
        else:
            buffer = bytearray(b"\xa5" * size) if place == "buffer" else None
            buddy = self.allocator(given, page_size=PAGE_SIZE, max_order=max_order, metadata=buffer)
            self.model = NaiveAllocator(ranges, max_order=max_order)
        self.lowest = lowest
        self.buddies = [buddy]
        self.turn = 0
        self.model.check(buddy)

    @property
    def buddy(self) -> BuddyAllocator:
        """The next allocator: they are called alternately."""
        self.turn += 1
        return self.buddies[self.turn % len(self.buddies)]

    # Allocating

    @rule(n_pages=_lengths)
    def alloc(self, n_pages: int) -> None:
        with self.out_of_pages_unless(self.model.fits(n_pages), n_pages):
            self.took(self.buddy.alloc(n_pages), n_pages)

    @rule(n_pages=_lengths, align=st.sampled_from([1, 2, 8, 64, 1 << 40]), window=_windows)
    def alloc_in_window(self, n_pages: int, align: int, window: Window) -> None:
        above, below = (0, None) if window is None else (self.lowest + edge for edge in window)
        limits = {} if below is None else {"above": above, "below": below}
        possible = self.model.fits(n_pages, align=align, above=above, below=below)
        with self.out_of_pages_unless(possible, n_pages, above, below):
            page = self.buddy.alloc(n_pages, align=align, **limits)
            assert page % align == 0
            assert above <= page
            assert below is None or page + n_pages <= below
            self.took(page, n_pages)

    @rule(order=st.integers(0, 10))
    def alloc_order(self, order: int) -> None:
        possible = order <= self.model.max_order and self.model.n_blocks(order) > 0
        with self.out_of_pages_unless(possible, 1 << order):
            page = self.buddy.alloc_order(order)
            assert page % (1 << order) == 0
            self.took(page, 1 << order)

    @rule(order=st.integers(0, 3), count=st.integers(0, 20))
    def alloc_many(self, order: int, count: int) -> None:
        if order > self.model.max_order:
            return
        possible = self.model.n_blocks(order) >= count
        with self.out_of_pages_unless(possible, count << order):
            pages = [int(page) for page in self.buddy.alloc_many(order, count)]
            assert len(pages) == count
            for page in pages:
                assert page % (1 << order) == 0
                self.took(page, 1 << order)

    @rule(offset=_offsets, n_pages=_lengths)
    def alloc_at(self, offset: int, n_pages: int) -> None:
        page = self.near(offset)
        wanted = range(page, page + n_pages)
        if not all(other in self.model.pages for other in wanted):
            with refused(self.buddy, ValueError):
                self.buddy.alloc_at(page, n_pages)
            return
        possible = all(other in self.model.free for other in wanted)
        with self.out_of_pages_unless(possible, n_pages, page, page + n_pages):
            self.buddy.alloc_at(page, n_pages)
            self.took(page, n_pages)

    # Freeing

    @precondition(lambda self: self.model.spans)
    @rule(pick=_picks, told=st.booleans())
    def free(self, pick: int, told: bool) -> None:
        page = self.live(pick)
        n_pages = self.model.give_back(page)
        if told:
            generation = self.generations[page]
            self.buddy.free(page, n_pages=n_pages, generation=generation)
        else:
            self.buddy.free(page)

    @precondition(lambda self: self.model.spans)
    @rule(picks=st.sets(_picks, max_size=20))
    def free_many(self, picks: set[int]) -> None:
        pages = {self.live(pick): None for pick in picks}
        self.buddy.free_many(list(pages))
        for page in pages:
            self.model.give_back(page)

    @precondition(lambda self: self.model.spans)
    @rule(pick=_picks, every=st.integers(1, 3))
    def free_while_walking(self, pick: int, every: int) -> None:
        buddy = self.buddy
        for page, n_pages in buddy.spans():
            if (pick + page) % every == 0:
                buddy.free(page)
                assert self.model.give_back(page) == n_pages

    @rule(offset=_offsets)
    def free_wrongly(self, offset: int) -> None:
        page = self.near(offset)
        if page in self.model.spans:
            return
        if page not in self.model.pages:
            reason = "outside"
        else:
            reason = "free" if page in self.model.free else "interior"
        with refused(self.buddy, BadFree, reason=reason):
            self.buddy.free(page)
        with refused(self.buddy, BadFree, reason=reason):
            self.buddy.resize(page, 1)
        with refused(self.buddy, BadFree, reason=reason):
            self.buddy.free_many([*list(self.model.spans)[:3], page])
        assert page not in self.buddy

    @precondition(lambda self: self.model.spans)
    @rule(pick=_picks, off_by=st.sampled_from([-1, 1, 1 << 31, 1 << 32]))
    def free_as_told_wrongly(self, pick: int, off_by: int) -> None:
        page = self.live(pick)
        with refused(self.buddy, BadFree, reason="size"):
            self.buddy.free(page, n_pages=self.model.spans[page] + max(off_by, 1))
        with refused(self.buddy, BadFree, reason="generation"):
            self.buddy.free(page, generation=max(0, self.generations[page] + off_by))

    # Resizing

    @precondition(lambda self: self.model.spans)
    @rule(pick=_picks, n_pages=_lengths)
    def resize(self, pick: int, n_pages: int) -> None:
        page = self.live(pick)
        possible = self.model.can_resize(page, n_pages)
        assert self.buddy.resize(page, n_pages) is possible
        if possible:
            self.model.resize(page, n_pages)

    # Metadata

    @rule()
    def move_to_a_copy(self) -> None:
        self.buddies = [self.allocator.attach(bytearray(self.buddy.metadata))]

    @precondition(lambda self: len(self.buddies) < 3)
    @rule()
    def attach_beside(self) -> None:
        self.buddies.append(self.allocator.attach(self.buddy.metadata))

    @rule()
    def recover(self) -> None:
        self.buddy.recover()

    @rule()
    def settle(self) -> None:
        self.model.check(self.buddy)

    @invariant()
    def same_spans(self) -> None:
        buddy = self.buddy
        self.model.check_spans(buddy)
        for page, n_pages in self.model.spans.items():
            assert page in buddy
            assert buddy.size_of(page) == n_pages
            assert buddy.generation_of(page) == self.generations[page]

    def teardown(self) -> None:
        if not self.buddies:
            return
        self.model.check(self.buddy)
        for page in list(self.model.spans):
            self.buddy.free(page)
            self.model.give_back(page)
        self.model.check(self.buddy)

    # Used by the rules

    def near(self, offset: int) -> int:
        """A page number near the ranges."""
        return min(max(0, self.lowest + offset), TOP - 1)

    def live(self, pick: int) -> int:
        """The first page of one of the live spans."""
        return sorted(self.model.spans)[pick % len(self.model.spans)]

    def took(self, page: int, n_pages: int) -> None:
        """Record a span just allocated; its generation differs from the last one at its page."""
        self.model.take(page, n_pages)
        generation = self.buddy.generation_of(page)
        assert generation != self.generations.get(page)
        self.generations[page] = generation

    @contextmanager
    def out_of_pages_unless(
        self, possible: bool, requested: int, above: int = 0, below: int | None = None
    ) -> Iterator[None]:
        """Check that the block succeeds exactly if possible, and that an error has the right figures."""
        if possible:
            yield
            return
        with out_of_pages(self.buddy) as caught:
            yield
        error = caught.error
        assert error.requested == requested
        assert error.free == self.model.n_free(above, below)
        assert error.largest_free == self.model.largest_free(above, below)


def machine_for(allocator: type[BuddyAllocator]) -> type[AllocatorMachine]:
    """Return the state machine for an allocator class.

    Parameters
    ----------
    allocator : type
        A class with the methods of `BuddyAllocator`.

    Returns
    -------
    type
        A Hypothesis state machine; its attribute `TestCase` is a unittest test case.

    Examples
    --------
    >>> from pagebuddy import BuddyAllocator
    >>> machine_for(BuddyAllocator).__name__
    'BuddyAllocatorMachine'
    """
    return type(f"{allocator.__name__}Machine", (AllocatorMachine,), {"allocator": allocator})


def _length(page_range: tuple[int, int]) -> int:
    return page_range[1]
