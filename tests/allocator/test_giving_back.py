"""free: which blocks are merged, and which calls are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy import BadFree, PageRanges
from pagebuddy.testing import NaiveAllocator, refused
from pagebuddy.testing.strategies import page_ranges

TOP = 1 << 64


@given(
    ranges=page_ranges(),
    max_order=st.none() | st.integers(0, 9),
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=40),
    data=st.data(),
)
def test_any_order_of_freeing_restores_the_free_blocks(Buddy, ranges, max_order, lengths, data):
    buddy = Buddy(PageRanges(ranges), max_order=max_order)
    whole = sorted(buddy.free_blocks())
    model = NaiveAllocator(ranges, max_order)
    pages = []
    for n_pages in lengths:
        if model.fits(n_pages):
            pages.append(buddy.alloc(n_pages))
            model.take(pages[-1], n_pages)
    for page in data.draw(st.permutations(pages)):
        buddy.free(page)
    buddy.verify()
    assert sorted(buddy.free_blocks()) == whole


@pytest.mark.parametrize("max_order", [0, 1, 3, 6])
def test_merging_stops_at_max_order(Buddy, max_order):
    """Also if both halves of the next larger block are free."""
    buddy = Buddy(64, max_order=max_order)
    for page in [buddy.alloc(1) for _ in range(64)]:
        buddy.free(page)
    assert sorted(buddy.free_blocks()) == [
        (page, max_order) for page in range(0, 64, 1 << max_order)
    ]
    buddy.verify()
    assert buddy.alloc(64) == 0


@pytest.mark.parametrize(
    "ranges",
    [
        [(1, 6)],
        [(3, 1), (5, 1)],
        [(0, 3), (4, 4)],
        [(0, 8), (24, 8)],
        [(TOP - 7, 7)],
        [(0, 1), (2, 1)],
    ],
)
def test_merging_stops_at_the_edges_of_a_range(Buddy, ranges):
    buddy = Buddy(PageRanges(ranges), max_order=10)
    model = NaiveAllocator(ranges, max_order=10)
    pages = [buddy.alloc(1) for _ in range(len(model.pages))]
    for page in sorted(pages):
        buddy.free(page)
    model.check(buddy)


def test_a_freed_span_is_split_into_blocks(Buddy):
    for page in range(12):
        for n_pages in range(1, 25 - page):
            buddy = Buddy(24)
            whole = sorted(buddy.free_blocks())
            buddy.alloc_at(page, n_pages)
            buddy.free(page)
            assert sorted(buddy.free_blocks()) == whole


def test_the_first_and_the_last_page_can_be_freed(Buddy):
    buddy = Buddy(PageRanges([(0, 1), (TOP - 1, 1)]))
    assert {buddy.alloc(1), buddy.alloc(1)} == {0, TOP - 1}
    buddy.free(0)
    buddy.free(TOP - 1)
    assert buddy.stats().free == 2


def both_ways(buddy, bad, reason):
    """Check that each call that needs a live span refuses `bad` for this reason."""
    calls = {
        "free": lambda: buddy.free(bad),
        "free, told": lambda: buddy.free(bad, n_pages=1, generation=1),
        "size_of": lambda: buddy.size_of(bad),
        "generation_of": lambda: buddy.generation_of(bad),
        "resize": lambda: buddy.resize(bad, 1),
    }
    for settled in (False, True):
        if settled:
            buddy.verify()
        for call in calls.values():
            with refused(buddy, BadFree, reason=reason, says=bad) as caught:
                call()
            assert caught.error.page == bad
        assert bad not in buddy


def test_freeing_a_span_twice_is_refused(Buddy):
    buddy = Buddy(64)
    for n_pages in (1, 5, 64):
        page = buddy.alloc(n_pages)
        buddy.free(page)
        both_ways(buddy, page, "free")
    first, second = buddy.alloc(4), buddy.alloc(4)
    buddy.free(first)
    buddy.free(second)
    both_ways(buddy, first, "free")
    both_ways(buddy, second, "free")


def test_freeing_a_page_that_was_never_allocated_is_refused(Buddy):
    buddy = Buddy(64)
    both_ways(buddy, 0, "free")
    both_ways(buddy, 63, "free")
    buddy.alloc_at(8, 8)
    for page in (7, 16, 32, 63):
        both_ways(buddy, page, "free")


def test_freeing_the_interior_of_a_span_is_refused(Buddy):
    buddy = Buddy(64)
    buddy.alloc_at(7, 20)
    for page in (8, 16, 24, 26):
        both_ways(buddy, page, "interior")
    assert buddy.resize(7, 10)
    both_ways(buddy, 16, "interior")
    both_ways(buddy, 17, "free")
    both_ways(buddy, 26, "free")
    assert buddy.resize(7, 30)
    both_ways(buddy, 26, "interior")
    both_ways(buddy, 36, "interior")


def test_freeing_the_interior_of_a_span_of_many_blocks_is_refused(Buddy):
    buddy = Buddy(1024, max_order=2)
    buddy.alloc_at(3, 1000)
    for page in (4, 64, 512, 1002):
        both_ways(buddy, page, "interior")


@pytest.mark.parametrize(
    "page", [0, 9, 30, 39, 44, 2**32 + 12, 2**63, TOP - 1, TOP, TOP + 12, 10**30, -1, -(10**30)]
)
def test_freeing_a_page_outside_the_ranges_is_refused(Buddy, page):
    buddy = Buddy(PageRanges([(10, 20), (40, 4)]))
    buddy.alloc_at(12, 3)
    both_ways(buddy, page, "outside")


@pytest.mark.parametrize("told", [1, 4, 6, 2**31 + 5, 2**32 + 5, 2**64 + 5, 10**30, 0])
def test_freeing_with_the_wrong_size_is_refused(Buddy, told):
    buddy = Buddy(64)
    buddy.alloc_at(3, 5)
    with refused(buddy, BadFree, reason="size", says=told) as caught:
        buddy.free(3, n_pages=told)
    error = caught.error
    assert (error.page, error.expected, error.found) == (3, told, 5)
    buddy.free(3, n_pages=5)
    assert buddy.stats().free == 64


def test_freeing_with_a_stale_generation_is_refused(Buddy):
    buddy = Buddy(64)
    page = buddy.alloc(5)
    stale = buddy.generation_of(page)
    buddy.free(page)
    assert buddy.alloc(5) == page
    fresh = buddy.generation_of(page)
    assert fresh != stale
    for told in (stale, fresh + 2**32, fresh + 2**64):
        with refused(buddy, BadFree, reason="generation", says=told) as caught:
            buddy.free(page, generation=told)
        error = caught.error
        assert (error.page, error.expected, error.found) == (page, told, fresh)
    with refused(buddy, BadFree):
        buddy.free(page, n_pages=5, generation=stale)
    buddy.free(page, n_pages=5, generation=fresh)
    assert buddy.stats().free == 64


def test_negative_sizes_and_generations_raise_value_error(Buddy):
    buddy = Buddy(64)
    buddy.alloc_at(3, 5)
    with refused(buddy, ValueError, says=-5):
        buddy.free(3, n_pages=-5)
    with refused(buddy, ValueError, says=-1):
        buddy.free(3, generation=-1)


def test_no_two_live_spans_share_a_generation(Buddy):
    buddy = Buddy(64)
    buddy.alloc_at(60, 2)
    pages = [
        60,
        *(int(page) for page in buddy.alloc_many(1, 4)),
        *(buddy.alloc(3) for _ in range(5)),
    ]
    assert len({buddy.generation_of(page) for page in pages}) == len(pages)


def test_a_page_is_in_the_allocator_while_a_span_starts_there(Buddy):
    buddy = Buddy(64)
    assert 3 not in buddy
    buddy.alloc_at(3, 5)
    assert 3 in buddy
    assert 4 not in buddy
    buddy.free(3)
    assert 3 not in buddy
