"""The cached run: the span freed last, or the remainder of the block split last."""

from __future__ import annotations

import pytest

from pagebuddy import PageRanges
from pagebuddy.core.words import H_ASIDE, H_GENERATION, H_HIGH_WATER
from pagebuddy.testing import NaiveAllocator


def words_changed(buddy, call):
    """Return the indices of the metadata words that a call changes."""
    before = buddy.metadata.cast("Q").tolist()
    call()
    after = buddy.metadata.cast("Q").tolist()
    return {i for i, (was, now) in enumerate(zip(before, after, strict=True)) if was != now}


def test_one_block_serves_many_allocations_without_the_free_lists(Buddy):
    buddy = Buddy(1 << 10)
    first = buddy.alloc(1)
    for page in range(first + 1, first + 200):
        pages = []
        changed = words_changed(buddy, lambda pages=pages: pages.append(buddy.alloc(1)))
        assert pages == [page]
        assert len(changed - {H_ASIDE, H_GENERATION, H_HIGH_WATER}) == 1  # the record


def test_the_smallest_fitting_block_is_used_before_the_remainder(Buddy):
    buddy = Buddy(64)
    for page in range(3):
        assert buddy.alloc(1) == page
    buddy.free(1)
    buddy.stats()  # ends the cached run: 1 and 3 are single pages now
    assert buddy.alloc(5) == 8  # of eight: 13 to 15 remain
    assert buddy.alloc(2) == 14  # not from the front of the remainder, which is a single page
    buddy.stats()
    assert buddy.alloc(10) == 16  # of sixteen: 26 to 31 remain
    assert {buddy.alloc(1), buddy.alloc(1), buddy.alloc(1)} == {1, 3, 13}
    assert buddy.alloc(1) == 26
    buddy.verify()


@pytest.mark.parametrize(
    ("alloc", "aligned"),
    [
        (lambda buddy: buddy.alloc(3), 4),
        (lambda buddy: buddy.alloc_order(3), 8),
        (lambda buddy: buddy.alloc(2, align=16), 16),
    ],
)
def test_spans_cut_from_the_remainder_are_aligned_like_blocks(Buddy, alloc, aligned):
    buddy = Buddy(64)
    buddy.alloc(1)  # leaves a remainder that begins at 1
    assert alloc(buddy) == aligned
    buddy.verify()


@pytest.mark.parametrize("n", [1, 3, 20])
def test_the_remainder_can_be_allocated_to_the_last_page(Buddy, n):
    ranges = PageRanges([(5, 40), (64, 33)])
    buddy, model = Buddy(ranges), NaiveAllocator(list(ranges))
    while len(model.free) >= n and buddy.stats().largest_free >= n:
        model.take(buddy.alloc(n), n)
    model.check(buddy)
    buddy = Buddy(64)
    first = buddy.alloc(n)
    assert buddy.alloc(64 - n) == first + n
    model = NaiveAllocator([(0, 64)])
    model.take(first, n)
    model.take(first + n, 64 - n)
    model.check(buddy)


def test_after_a_crash_the_remainder_is_free(Buddy):
    buddy = Buddy(64)
    buddy.alloc(1)
    buddy.recover()
    assert buddy.stats().free == 63
    buddy.verify()


def test_a_batch_allocation_also_uses_the_remainder(Buddy):
    buddy = Buddy(1 << 8)
    buddy.alloc(1)
    pages = buddy.alloc_many(0, 255)
    assert sorted(int(page) for page in pages) == list(range(1, 256))
    buddy.free_many(pages)
    buddy.verify()
