"""resize: changes a span in place, or not at all."""

from __future__ import annotations

import pytest

from pagebuddy import PageRanges
from pagebuddy.testing import NaiveAllocator, refused

TOP = 1 << 64


def test_a_span_resizes_if_the_pages_behind_it_are_free(Buddy):
    for page in range(0, 20, 3):
        for before in range(1, 21 - page):
            for after in range(1, 24 - page):
                buddy = Buddy(20)
                model = NaiveAllocator([(0, 20)])
                buddy.alloc_at(page, before)
                model.take(page, before)
                fits = page + after <= 20
                assert buddy.resize(page, after) is fits
                if fits:
                    model.resize(page, after)
                model.check_spans(buddy)
        model.check(buddy)


@pytest.mark.parametrize("max_order", [None, 0, 2, 31])
def test_a_span_grows_across_block_boundaries(Buddy, max_order):
    buddy = Buddy(64, max_order=max_order)
    model = NaiveAllocator([(0, 64)], max_order)
    buddy.alloc_at(5, 1)
    model.take(5, 1)
    for n_pages in (2, 3, 11, 12, 40, 59):
        assert buddy.resize(5, n_pages) is True
        model.resize(5, n_pages)
        model.check(buddy)


def test_growing_is_refused_if_pages_behind_are_in_use(Buddy):
    buddy = Buddy(64)
    for page, n_pages in ((0, 4), (10, 1), (11, 4)):
        buddy.alloc_at(page, n_pages)
    model = NaiveAllocator([(0, 64)])
    model.spans = {0: 4, 10: 1, 11: 4}
    model.free -= {0, 1, 2, 3, 10, 11, 12, 13, 14}
    for page, n_pages in ((0, 11), (0, 64), (10, 2), (10, 20)):
        assert buddy.resize(page, n_pages) is False
        model.check_spans(buddy)
    model.check(buddy)
    assert buddy.resize(0, 10) is True


def test_a_span_grows_into_the_span_freed_last(Buddy):
    for first, n_pages, wanted in ((8, 8, 16), (8, 8, 12), (8, 3, 11), (8, 3, 12), (10, 4, 20)):
        buddy = Buddy(64)
        model = NaiveAllocator([(0, 64)])
        buddy.alloc_at(0, 8)
        model.take(0, 8)
        buddy.alloc_at(first, n_pages)
        buddy.free(first)
        assert buddy.resize(0, wanted) is True
        model.resize(0, wanted)
        model.check(buddy)


def test_shrinking_never_moves_and_its_tail_is_free(Buddy):
    buddy = Buddy(64)
    model = NaiveAllocator([(0, 64)])
    page = buddy.alloc(64)
    model.take(page, 64)
    for n_pages in (63, 40, 32, 31, 5, 1):
        assert buddy.resize(page, n_pages) is True
        model.resize(page, n_pages)
        model.check(buddy)
    assert buddy.alloc(63) == 1


def test_resizing_keeps_the_generation(Buddy):
    buddy = Buddy(64)
    page = buddy.alloc(5)
    generation = buddy.generation_of(page)
    for n_pages in (5, 20, 1, 64):
        assert buddy.resize(page, n_pages)
        assert buddy.generation_of(page) == generation
        assert buddy.size_of(page) == n_pages


def test_resizing_to_the_same_size_changes_no_byte(Buddy):
    buddy = Buddy(64)
    page = buddy.alloc(5)
    before = bytes(buddy.metadata)
    assert buddy.resize(page, 5) is True
    assert bytes(buddy.metadata) == before


@pytest.mark.parametrize("n_pages", [0, -1, -(2**32) + 5, -(10**30)])
def test_resizing_to_no_pages_raises_value_error(Buddy, n_pages):
    buddy = Buddy(64)
    page = buddy.alloc(5)
    with refused(buddy, ValueError, says=n_pages):
        buddy.resize(page, n_pages)


@pytest.mark.parametrize("beyond", [21, 2**31, 2**32 + 5, 2**32 + 7, 2**64 + 7, 10**30])
@pytest.mark.parametrize("start", [10, TOP - 20])
def test_growing_beyond_the_range_is_refused(Buddy, start, beyond):
    buddy = Buddy(PageRanges([(start, 20)]))
    buddy.alloc_at(start, 5)
    assert buddy.resize(start, beyond) is False
    assert buddy.size_of(start) == 5
    assert buddy.resize(start, 20) is True
    buddy.verify()


def test_a_span_grows_across_adjacent_ranges_but_not_a_gap(Buddy):
    buddy = Buddy(PageRanges([(0, 8), (8, 8), (17, 8)]))
    buddy.alloc_at(0, 4)
    assert buddy.resize(0, 17) is False
    assert buddy.resize(0, 16) is True
    buddy.verify()
