"""alloc, alloc_order and alloc_at: which pages are allocated, and which requests fail."""

from __future__ import annotations

import random

import pytest

from pagebuddy import PageRanges
from pagebuddy.testing import NaiveAllocator, out_of_pages, refused

TOP = 1 << 64
ASTRONOMICAL = [2**31 - 64, 2**31, 2**32 - 1, 2**32 + 1, 2**63, 2**64 - 1, 2**64, 2**64 + 1, 10**30]


def test_one_block_of_every_order_fills_the_allocator(Buddy):
    buddy = Buddy(64)
    model = NaiveAllocator([(0, 64)])
    for order in (5, 4, 3, 2, 1, 0, 0):
        page = buddy.alloc_order(order)
        assert page % (1 << order) == 0
        model.take(page, 1 << order)
    assert not model.free
    for order in range(7):
        with out_of_pages(buddy) as caught:
            buddy.alloc_order(order)
        assert caught.error.requested == 1 << order
        assert (caught.error.free, caught.error.largest_free) == (0, 0)
    model.check(buddy)


@pytest.mark.parametrize("ranges", [[(0, 64)], [(13, 50), (63, 9), (100, 1)], [(TOP - 33, 33)]])
def test_single_pages_fill_the_allocator(Buddy, ranges):
    buddy = Buddy(PageRanges(ranges))
    model = NaiveAllocator(ranges)
    for _ in range(len(model.pages)):
        model.take(buddy.alloc(1), 1)
    with out_of_pages(buddy):
        buddy.alloc(1)
    model.check(buddy)


@pytest.mark.parametrize("order", [4097, 10**12])
def test_an_impossible_order_raises_value_error(Buddy, order):
    buddy = Buddy(64)
    with pytest.raises(ValueError, match="order is"):
        buddy.alloc_order(order)
    with pytest.raises(ValueError, match="order is"):
        buddy.alloc_many(order, 1)


@pytest.mark.parametrize("max_order", [0, 3, 6])
def test_an_order_above_max_order_is_out_of_pages(Buddy, max_order):
    buddy = Buddy(64, max_order=max_order)
    for order in (max_order + 1, 31, 32, 63, 64, 1000):
        with out_of_pages(buddy):
            buddy.alloc_order(order)
    with out_of_pages(buddy) as caught:
        buddy.alloc_order(max_order + 1)
    assert caught.error.requested == 2 << max_order


@pytest.mark.parametrize("n_pages", [0, -1, -(2**31), -(2**64), -(10**30)])
def test_requests_for_no_pages_raise_value_error(Buddy, n_pages):
    buddy = Buddy(64)
    buddy.alloc(3)
    with refused(buddy, ValueError, says=n_pages):
        buddy.alloc(n_pages)
    with refused(buddy, ValueError, says=n_pages):
        buddy.alloc(n_pages, above=3, below=40)
    with refused(buddy, ValueError, says=n_pages):
        buddy.alloc_at(32, n_pages)
    with refused(buddy, ValueError, says=n_pages - 1):
        buddy.alloc_order(n_pages - 1)


@pytest.mark.parametrize("n_pages", ASTRONOMICAL)
def test_a_request_larger_than_all_pages_is_out_of_pages(Buddy, n_pages):
    buddy = Buddy(PageRanges([(0, 64), (100, 7)]))
    with out_of_pages(buddy) as caught:
        buddy.alloc(n_pages)
    error = caught.error
    assert (error.requested, error.free, error.largest_free) == (n_pages, 71, 64)
    with out_of_pages(buddy) as caught:
        buddy.alloc(n_pages, above=10, below=102)
    error = caught.error
    assert (error.requested, error.free, error.largest_free) == (n_pages, 56, 54)


@pytest.mark.parametrize(
    "ranges", [[(0, 1)], [(0, 64)], [(0, 77)], [(13, 64)], [(0, 5), (5, 8)], [(TOP - 9, 9)]]
)
@pytest.mark.parametrize("max_order", [None, 0, 2, 20])
def test_all_free_pages_in_one_run_can_be_allocated(Buddy, ranges, max_order):
    """A free run can be allocated as one span, however it is divided into blocks."""
    buddy = Buddy(PageRanges(ranges), max_order=max_order)
    model = NaiveAllocator(ranges, max_order)
    everything = len(model.pages)
    with out_of_pages(buddy) as caught:
        buddy.alloc(everything + 1)
    assert caught.error.free == caught.error.largest_free == everything
    model.take(buddy.alloc(everything), everything)
    with out_of_pages(buddy):
        buddy.alloc(1)
    model.check(buddy)


def test_a_checkerboard_has_room_for_single_pages_only(Buddy):
    buddy = Buddy(64)
    for page in [buddy.alloc(1) for _ in range(64)]:
        if page % 2:
            buddy.free(page)
    for ask, what in ((buddy.alloc, 2), (buddy.alloc, 32), (buddy.alloc_order, 1)):
        with out_of_pages(buddy) as caught:
            ask(what)
        error = caught.error
        assert (error.free, error.largest_free) == (32, 1)
    assert sorted(buddy.alloc(1) for _ in range(32)) == list(range(1, 64, 2))


def test_contiguous_blocks_that_are_not_buddies_are_joined(Buddy):
    buddy = Buddy(8)
    for _ in range(8):
        buddy.alloc(1)
    for page in (3, 4):
        buddy.free(page)
    with out_of_pages(buddy) as caught:
        buddy.alloc_order(1)
    assert caught.error.largest_free == 2
    with out_of_pages(buddy):
        buddy.alloc(2, align=2)
    assert buddy.alloc(2) == 3


@pytest.mark.parametrize("n_pages", range(1, 34))
def test_the_tail_beyond_the_pages_asked_for_stays_free(Buddy, n_pages):
    buddy = Buddy(33 + 5)
    model = NaiveAllocator([(0, 38)])
    model.take(buddy.alloc(n_pages), n_pages)
    model.check(buddy)


@pytest.mark.parametrize(("n_pages", "align"), [(1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (32, 32)])
def test_a_span_from_one_block_is_aligned_to_the_next_power_of_two(Buddy, n_pages, align):
    buddy = Buddy(PageRanges([(1, 255)]))
    for _ in range(3):
        assert buddy.alloc(n_pages) % align == 0


def test_an_aligned_request_can_use_the_block_freed_last(Buddy):
    buddy = Buddy(16)
    for page, n_pages in ((0, 1), (1, 7), (8, 8)):
        buddy.alloc_at(page, n_pages)
    buddy.free(1)
    buddy.free(8)
    assert buddy.alloc(8, align=1) == 8


def test_alignment_larger_than_the_size_does_not_round_the_size(Buddy):
    buddy = Buddy(64)
    model = NaiveAllocator([(0, 64)])
    for _ in range(4):
        page = buddy.alloc(3, align=16)
        assert page % 16 == 0
        model.take(page, 3)
    with out_of_pages(buddy) as caught:
        buddy.alloc(3, align=16)
    error = caught.error
    assert (error.requested, error.free, error.largest_free) == (3, 52, 13)
    model.check(buddy)


def test_alignment_is_of_page_numbers_not_of_the_start_of_a_range(Buddy):
    ranges = [(TOP - 37, 37)]
    buddy = Buddy(PageRanges(ranges))
    assert buddy.alloc(2, align=32) == TOP - 32
    with out_of_pages(buddy):
        buddy.alloc(1, align=64)
    assert buddy.alloc_order(4) == TOP - 16


def test_a_huge_alignment_allows_page_0_only(Buddy):
    buddy = Buddy(8)
    for align in (1 << 31, 1 << 32, 1 << 63):
        assert buddy.alloc(1, align=align) == 0
        with out_of_pages(buddy):
            buddy.alloc(1, align=align)
        buddy.free(0)


@pytest.mark.parametrize("align", [0, -1, -2, 3, 6, 2**32 + 1, 2**64 + 1])
def test_an_alignment_that_is_not_a_power_of_two_is_refused(Buddy, align):
    buddy = Buddy(8)
    with refused(buddy, ValueError, says=align):
        buddy.alloc(1, align=align)


def test_sixteen_slices_can_be_allocated_and_freed_five_times(Buddy):
    chance = random.Random(16)
    ranges = [(5, 300), (400, 212)]
    buddy = Buddy(PageRanges(ranges))
    whole = sorted(buddy.free_blocks())
    for _ in range(5):
        model = NaiveAllocator(ranges)
        while len(model.spans) < 16:
            page, n_pages = chance.choice(sorted(model.pages)), chance.randint(1, 40)
            if all(other in model.free for other in range(page, page + n_pages)):
                buddy.alloc_at(page, n_pages)
                model.take(page, n_pages)
        model.check(buddy)
        for page in chance.sample(sorted(model.spans), 16):
            buddy.free(page)
        assert sorted(buddy.free_blocks()) == whole
        buddy.verify()


def test_alloc_at_works_at_every_page_and_length(Buddy):
    for page in range(20):
        for n_pages in range(1, 21 - page):
            buddy = Buddy(20)
            model = NaiveAllocator([(0, 20)])
            buddy.alloc_at(page, n_pages)
            model.take(page, n_pages)
            model.check(buddy)


def test_alloc_at_fails_if_any_page_is_in_use(Buddy):
    buddy = Buddy(64)
    model = NaiveAllocator([(0, 64)])
    buddy.alloc_at(10, 5)
    model.take(10, 5)
    for page, n_pages in ((10, 5), (10, 1), (14, 1), (8, 3), (14, 10), (0, 64), (11, 2)):
        with out_of_pages(buddy) as caught:
            buddy.alloc_at(page, n_pages)
        assert caught.error.requested == n_pages
    model.check(buddy)
    buddy.alloc_at(5, 5)
    buddy.alloc_at(15, 49)
    assert list(buddy.spans()) == [(5, 5), (10, 5), (15, 49)]


def test_alloc_at_works_in_the_span_freed_last(Buddy):
    for page, n_pages in ((10, 5), (9, 2), (14, 2), (0, 64), (12, 1)):
        buddy = Buddy(64)
        buddy.alloc_at(10, 5)
        buddy.free(10)
        model = NaiveAllocator([(0, 64)])
        buddy.alloc_at(page, n_pages)
        model.take(page, n_pages)
        model.check(buddy)


def test_alloc_at_outside_the_ranges_is_refused(Buddy):
    buddy = Buddy(PageRanges([(10, 20), (40, 20), (60, 4)]))
    outside = [
        (9, 1),
        (9, 2),
        (29, 2),
        (30, 1),
        (39, 2),
        (35, 10),
        (63, 2),
        (64, 1),
        (0, 10**30),
        (10, 2**64),
        (42, 2**32 + 1),
        (2**64 - 1, 1),
        (2**64, 1),
        (2**64 + 12, 1),
        (10**30, 1),
        (-1, 1),
        (-1, 12),
    ]
    for page, n_pages in outside:
        with refused(buddy, ValueError, says=page):
            buddy.alloc_at(page, n_pages)
    buddy.alloc_at(40, 24)


def test_alloc_at_across_two_ranges_is_refused(Buddy):
    buddy = Buddy(PageRanges([(10, 20), (40, 20)]))
    for page, n_pages in ((10, 50), (29, 12), (25, 30)):
        with refused(buddy, ValueError, says=page):
            buddy.alloc_at(page, n_pages)
    NaiveAllocator([(10, 20), (40, 20)]).check(buddy)


def test_the_span_freed_last_is_allocated_again(Buddy):
    buddy = Buddy(1024)
    buddy.alloc(7)
    page = buddy.alloc(100)
    buddy.free(page)
    assert buddy.alloc(100) == page


@pytest.mark.parametrize("n_pages", [1, 2, 3, 60, 61, 62])
def test_the_span_freed_last_serves_other_sizes(Buddy, n_pages):
    buddy = Buddy(64)
    model = NaiveAllocator([(0, 64)])
    buddy.alloc_at(1, 61)
    buddy.free(1)
    model.take(buddy.alloc(n_pages), n_pages)
    model.check(buddy)
