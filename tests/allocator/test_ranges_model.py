"""PageRanges against a naive model: a list of sets of pages."""

from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pagebuddy.allocator.ranges import PageRanges
from pagebuddy.arguments import PAGE_NUMBERS
from pagebuddy.errors import OutOfPages

SPACE = 48


class Model(RuleBasedStateMachine):
    """PageRanges next to one set of pages for each range, at both ends of the page numbers."""

    @initialize(
        origin=st.sampled_from([0, 3, PAGE_NUMBERS - SPACE]),
        starts=st.sets(st.integers(0, SPACE - 1), max_size=8),
    )
    def begin(self, origin, starts):
        self.origin = origin
        self.sets = [{origin + start} for start in starts]
        self.ranges = PageRanges((origin + start, 1) for start in starts)

    def pages(self, start, n):
        return set(range(self.origin + start, min(self.origin + start + n, PAGE_NUMBERS)))

    def taken(self):
        return set().union(*self.sets)

    def take(self, pages):
        """Remove `pages` from every set, and split the sets where a gap appears."""
        rest = [pages_left for old in self.sets if (pages_left := old - pages)]
        self.sets = []
        for old in rest:
            for page in sorted(old):
                if page - 1 in old:
                    self.sets[-1].add(page)
                else:
                    self.sets.append({page})

    @rule(start=st.integers(0, SPACE - 1), n=st.integers(1, 12))
    def add(self, start, n):
        pages = self.pages(start, n)
        if pages & self.taken():
            with pytest.raises(ValueError, match="overlap"):
                self.ranges.add(min(pages), len(pages))
        else:
            self.ranges.add(min(pages), len(pages))
            self.sets.append(pages)

    @rule(start=st.integers(0, SPACE - 1), n=st.integers(1, 12))
    def remove(self, start, n):
        pages = self.pages(start, n)
        if pages <= self.taken():
            self.ranges.remove(min(pages), len(pages))
            self.take(pages)
        else:
            missing = min(pages - self.taken())
            with pytest.raises(ValueError, match=f"page {missing:#x} is not in the ranges"):
                self.ranges.remove(min(pages), len(pages))

    @rule()
    def pop(self):
        if self.sets:
            last = max(self.sets, key=max)
            assert self.ranges.pop() == (min(last), len(last))
            self.sets.remove(last)
        else:
            with pytest.raises(IndexError, match="no range left"):
                self.ranges.pop()

    @rule(n=st.integers(1, 12))
    def carve(self, n):
        enough = [pages for pages in self.sets if len(pages) >= n]
        if enough:
            pages = set(sorted(max(enough, key=max))[-n:])
            assert self.ranges.carve(n) == min(pages)
            self.take(pages)
        else:
            with pytest.raises(OutOfPages) as caught:
                self.ranges.carve(n)
            assert caught.value.free == len(self.taken())
            assert caught.value.largest_free == max(map(len, self.sets), default=0)

    @rule(max_order=st.integers(0, 6))
    def split(self, max_order):
        self.ranges.split_to_powers_of_two(1 << max_order)
        whole, self.sets = self.sets, []
        for pages in whole:
            while pages:
                page = min(pages)
                lengths = [1 << order for order in range(max_order + 1) if page % (1 << order) == 0]
                pieces = [set(range(page, page + length)) for length in lengths]
                piece = max((p for p in pieces if p <= pages), key=len)
                self.sets.append(piece)
                pages = pages - piece

    @rule()
    def join(self):
        joined = self.ranges.joined()
        assert all(first + n < next_first for (first, n), (next_first, _) in pairwise(joined))
        self.ranges = PageRanges(joined)
        pages, self.sets = self.taken(), []
        self.sets.append(pages)
        self.take(set())

    @invariant()
    def same_pages_in_the_same_ranges(self):
        assert list(self.ranges) == sorted((min(pages), len(pages)) for pages in self.sets)
        assert self.ranges.n_pages == len(self.taken())
        near = range(self.origin - 2, self.origin + SPACE + 14)
        assert {page for page in near if page in self.ranges} == self.taken()


TestModel = Model.TestCase
