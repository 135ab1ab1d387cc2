"""Fragmentation of free memory: the two indices, and the largest request that succeeds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy import PageRanges
from pagebuddy.testing import NaiveAllocator, out_of_pages
from pagebuddy.testing.strategies import page_ranges


def test_an_empty_allocator_is_not_fragmented(Buddy):
    stats = Buddy(64).stats()
    assert [stats.unusable(order) for order in range(7)] == [0.0] * 7
    assert [stats.fragmentation(order) for order in range(7)] == [-1.0] * 7


def test_a_full_allocator_is_not_fragmented(Buddy):
    buddy = Buddy(64)
    buddy.alloc(64)
    stats = buddy.stats()
    assert [stats.unusable(order) for order in range(7)] == [0.0] * 7
    assert [stats.fragmentation(order) for order in range(7)] == [0.0] * 7


def test_single_free_pages_are_unusable_for_larger_orders(Buddy):
    buddy = Buddy(16)
    for page in range(0, 16, 2):
        buddy.alloc_at(page, 1)
    stats = buddy.stats()
    assert list(stats.free_blocks) == [8, 0, 0, 0, 0]
    assert [stats.unusable(order) for order in range(5)] == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert stats.fragmentation(0) == -1.0
    assert stats.fragmentation(1) == pytest.approx(1 - (1 + 8 / 2) / 8)
    assert stats.fragmentation(4) == pytest.approx(1 - (1 + 8 / 16) / 8)


def test_the_indices_with_one_free_block_of_each_order(Buddy):
    buddy = Buddy(16)
    buddy.alloc(1)
    stats = buddy.stats()
    assert list(stats.free_blocks) == [1, 1, 1, 1, 0]
    shares = [0, 1 / 15, 3 / 15, 7 / 15, 1]
    assert [stats.unusable(order) for order in range(5)] == pytest.approx(shares)
    assert stats.fragmentation(3) == -1.0
    assert stats.fragmentation(4) == pytest.approx(1 - (1 + 15 / 16) / 4)


def test_the_longest_free_run_may_be_longer_than_any_block(Buddy):
    buddy = Buddy(64, max_order=2)
    buddy.alloc_at(20, 1)
    stats = buddy.stats()
    assert stats.largest_free == 43
    assert buddy.alloc(43) == 21


@given(
    ranges=page_ranges(),
    max_order=st.none() | st.integers(0, 9),
    lengths=st.lists(st.integers(1, 20), max_size=40),
    every=st.integers(1, 4),
)
def test_largest_free_is_the_largest_request_that_succeeds(
    Buddy, ranges, max_order, lengths, every
):
    buddy = Buddy(PageRanges(ranges), max_order=max_order)
    model = NaiveAllocator(ranges, max_order)
    for n_pages in lengths:
        if model.fits(n_pages):
            model.take(buddy.alloc(n_pages), n_pages)
    for page in list(model.spans)[::every]:
        buddy.free(page)
        model.give_back(page)
    largest = model.largest_free()
    with out_of_pages(buddy) as caught:
        buddy.alloc(largest + 1)
    assert caught.error.largest_free == buddy.stats().largest_free == largest
    if largest:
        model.take(buddy.alloc(largest), largest)
    model.check(buddy)
