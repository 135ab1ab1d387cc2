"""alloc within a window: `above` is the first page it may use, `below` the first it may not use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy import PageRanges
from pagebuddy.testing import NaiveAllocator, out_of_pages, refused
from pagebuddy.testing.strategies import page_ranges


def test_an_allocation_never_leaves_its_window(Buddy):
    buddy = Buddy(256)
    pages = [buddy.alloc(3, above=50, below=100) for _ in range(16)]
    assert min(pages) >= 50
    assert max(pages) + 3 <= 100
    with out_of_pages(buddy) as caught:
        buddy.alloc(3, above=50, below=100)
    assert caught.error.free == 2
    assert buddy.stats().free == 256 - 48


@pytest.mark.parametrize("n_pages", [1, 2, 3, 8, 13])
def test_an_allocation_can_fill_its_window(Buddy, n_pages):
    for page in range(40 - n_pages + 1):
        buddy = Buddy(40)
        assert buddy.alloc(n_pages, above=page, below=page + n_pages) == page
        with out_of_pages(buddy):
            buddy.alloc(1, above=page, below=page + n_pages)
        buddy.verify()


def test_a_window_that_is_too_narrow_is_out_of_pages(Buddy):
    buddy = Buddy(64)
    for page in range(40):
        with out_of_pages(buddy) as caught:
            buddy.alloc(9, above=page, below=page + 8)
        assert (caught.error.free, caught.error.largest_free) == (8, 8)


def test_growing_windows_agree_with_the_model(Buddy):
    ranges = [(3, 50), (60, 40)]
    buddy = Buddy(PageRanges(ranges), max_order=3)
    model = NaiveAllocator(ranges, max_order=3)
    for below in range(4, 101):
        if model.fits(2, below=below):
            page = buddy.alloc(2, below=below)
            assert page + 2 <= below
            model.take(page, 2)
        else:
            with out_of_pages(buddy):
                buddy.alloc(2, below=below)
    assert model.n_free() == 0
    model.check(buddy)


def test_above_and_below_work_alone(Buddy):
    buddy = Buddy(64)
    assert buddy.alloc(4, above=60) == 60
    assert buddy.alloc(4, below=4) == 0


@pytest.mark.parametrize("edge", [0, 5, 63, 64, 65, 2**64 - 1])
def test_an_empty_window_is_out_of_pages(Buddy, edge):
    buddy = Buddy(64)
    with out_of_pages(buddy) as caught:
        buddy.alloc(1, above=edge, below=edge)
    error = caught.error
    assert (error.requested, error.free, error.largest_free) == (1, 0, 0)


@pytest.mark.parametrize(("above", "below"), [(0, 10), (30, 40), (60, 2**64), (2**64 - 1, 2**64)])
def test_a_window_without_pages_is_out_of_pages(Buddy, above, below):
    buddy = Buddy(PageRanges([(10, 20), (40, 20)]))
    with out_of_pages(buddy) as caught:
        buddy.alloc(1, above=above, below=below)
    assert (caught.error.free, caught.error.largest_free) == (0, 0)


def test_a_window_may_be_larger_than_the_ranges(Buddy):
    buddy = Buddy(PageRanges([(10, 20)]))
    assert buddy.alloc(20, above=0, below=2**64) == 10


@pytest.mark.parametrize(("above", "below"), [(6, 5), (2**64, 5), (1, 0)])
def test_a_window_with_above_greater_than_below_is_refused(Buddy, above, below):
    buddy = Buddy(64)
    with refused(buddy, ValueError, says=above):
        buddy.alloc(1, above=above, below=below)


@pytest.mark.parametrize(
    "window", [{"above": -1}, {"below": -1}, {"above": -5, "below": 10}, {"above": -(10**30)}]
)
def test_a_window_with_a_negative_edge_is_refused(Buddy, window):
    buddy = Buddy(64)
    with refused(buddy, ValueError, says=min(window.values())):
        buddy.alloc(1, **window)


def test_out_of_pages_reports_the_figures_of_the_window(Buddy):
    buddy = Buddy(PageRanges([(0, 64), (100, 64)]))
    buddy.alloc_at(20, 10)
    with out_of_pages(buddy) as caught:
        buddy.alloc(40, above=8, below=110)
    error = caught.error
    assert (error.requested, error.free, error.largest_free) == (40, 12 + 34 + 10, 34)


@pytest.mark.parametrize(("above", "below"), [(8, 12), (10, 20), (12, 20), (0, 13), (11, 14)])
def test_the_span_freed_last_may_cross_an_edge_of_the_window(Buddy, above, below):
    ranges = [(0, 10), (10, 5), (15, 49)]
    for n_pages in range(1, 6):
        buddy = Buddy(64)
        for page, n in ranges:
            buddy.alloc_at(page, n)
        buddy.free(10)
        lowest, highest = max(10, above), min(15, below) - n_pages
        if lowest <= highest:
            assert lowest <= buddy.alloc(n_pages, above=above, below=below) <= highest
        else:
            with out_of_pages(buddy):
                buddy.alloc(n_pages, above=above, below=below)
        buddy.verify()


def test_a_window_and_an_alignment_can_be_combined(Buddy):
    buddy = Buddy(256)
    assert buddy.alloc(5, above=33, below=100, align=32) == 64
    with out_of_pages(buddy) as caught:
        buddy.alloc(5, above=33, below=100, align=32)
    assert caught.error.largest_free == 31
    assert buddy.alloc(4, above=33, below=101, align=32) == 96


@given(
    ranges=page_ranges(),
    max_order=st.none() | st.integers(0, 9),
    taken=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 9)), max_size=20),
    edges=st.tuples(st.integers(0, 400), st.integers(0, 400)),
    n_pages=st.integers(1, 60),
    align=st.sampled_from([1, 2, 4, 32]),
)
def test_alloc_succeeds_if_it_fits_anywhere_in_the_window(
    Buddy, ranges, max_order, taken, edges, n_pages, align
):
    buddy = Buddy(PageRanges(ranges), max_order=max_order)
    model = NaiveAllocator(ranges, max_order)
    lowest = min(model.pages)
    for offset, n in taken:
        if all(page in model.free for page in range(lowest + offset, lowest + offset + n)):
            buddy.alloc_at(lowest + offset, n)
            model.take(lowest + offset, n)
    above, below = (min(1 << 64, lowest + edge) for edge in sorted(edges))
    if model.fits(n_pages, align=align, above=above, below=below):
        page = buddy.alloc(n_pages, above=above, below=below, align=align)
        assert page % align == 0
        assert above <= page <= below - n_pages
        model.take(page, n_pages)
    else:
        with out_of_pages(buddy) as caught:
            buddy.alloc(n_pages, above=above, below=below, align=align)
        assert caught.error.free == model.n_free(above, below)
        assert caught.error.largest_free == model.largest_free(above, below)
    model.check(buddy)
