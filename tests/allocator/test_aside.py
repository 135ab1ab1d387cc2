"""Cached pages: spans that wait, the span aside, and the front, the rest of the group opened last."""

from __future__ import annotations

import pytest

from pagebuddy import PageRanges
from pagebuddy.core.words import H_FRONT, H_FRONT_COPY, H_GENERATION
from pagebuddy.testing import NaiveAllocator


def words_changed(buddy, call):
    """Return the indices of the metadata words that a call changes."""
    before = buddy.metadata.cast("Q").tolist()
    call()
    after = buddy.metadata.cast("Q").tolist()
    return {i for i, (was, now) in enumerate(zip(before, after, strict=True)) if was != now}


def test_one_group_serves_many_allocations_without_the_free_lists(Buddy):
    buddy = Buddy(1 << 10)
    first = buddy.alloc(1)
    front = {H_FRONT, H_FRONT_COPY, H_GENERATION}
    for page in range(first + 1, first + 64):
        pages = []
        changed = words_changed(buddy, lambda pages=pages: pages.append(buddy.alloc(1)))
        assert pages == [page]
        assert len(changed - front) == 1  # the record


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16, 32])
def test_seven_small_spans_of_a_size_wait_and_are_reused_in_reverse(Buddy, n):
    buddy = Buddy(1 << 10)
    pages = [buddy.alloc(n) for _ in range(9)]
    for page in pages[:7]:
        changed = words_changed(buddy, lambda page=page: buddy.free(page))
        assert len(changed) == 3  # the record, the number of spans, and the place
    assert [buddy.alloc(n) for _ in range(7)] == pages[6::-1]
    buddy.verify()


def test_an_eighth_span_is_listed(Buddy):
    buddy = Buddy(1 << 10)
    pages = [buddy.alloc(1) for _ in range(20)]
    for page in pages[:8]:
        buddy.free(page)
    assert [buddy.alloc(1) for _ in range(8)] == [*pages[6::-1], pages[7]]


def test_a_span_above_the_frontier_does_not_wait(Buddy):
    """So the pages at higher addresses become free blocks."""
    buddy = Buddy(1 << 10)
    low = [buddy.alloc(1) for _ in range(64)]
    high = buddy.alloc_at(640, 1)
    buddy.free(high)
    buddy.free(low[5])
    assert buddy.alloc(1) == low[5]
    assert buddy.alloc(1) == 64


def test_waiting_spans_are_free_pages_to_every_query(Buddy):
    buddy = Buddy(64)
    for page in [buddy.alloc(1) for _ in range(7)] + [buddy.alloc(n) for n in (2, 4, 9)]:
        buddy.free(page)
    assert buddy.stats().free == 64
    assert list(buddy.free_blocks()) == [(0, 6)]
    assert buddy.alloc(64) == 0


def test_spans_that_wait_serve_a_larger_request(Buddy):
    buddy = Buddy(64)
    pages = [buddy.alloc(1) for _ in range(64)]
    for page in pages[8:16]:
        buddy.free(page)
    assert buddy.alloc(8) == 8


def test_a_group_in_use_serves_before_the_front(Buddy):
    buddy = Buddy(256)
    for page in range(3):
        assert buddy.alloc(1) == page
    buddy.free(1)
    buddy.stats()  # settles: 1 and 3 are single pages now
    assert buddy.alloc(5) == 8
    assert {buddy.alloc(1), buddy.alloc(1), buddy.alloc(1)} == {1, 3, 13}
    assert buddy.alloc(2) == 14
    buddy.verify()


@pytest.mark.parametrize(
    ("alloc", "aligned"),
    [
        (lambda buddy: buddy.alloc(3), 4),
        (lambda buddy: buddy.alloc_order(3), 8),
        (lambda buddy: buddy.alloc(2, align=16), 16),
    ],
)
def test_spans_cut_from_the_front_are_aligned_like_blocks(Buddy, alloc, aligned):
    buddy = Buddy(64)
    buddy.alloc(1)  # leaves a front that begins at 1
    assert alloc(buddy) == aligned
    buddy.verify()


@pytest.mark.parametrize("n", [1, 3, 20])
def test_the_front_can_be_allocated_to_the_last_page(Buddy, n):
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


def test_after_a_crash_the_front_is_free(Buddy):
    buddy = Buddy(64)
    buddy.alloc(1)
    buddy.recover()
    assert buddy.stats().free == 63
    buddy.verify()


def test_a_batch_allocation_also_uses_the_front(Buddy):
    buddy = Buddy(1 << 8)
    buddy.alloc(1)
    pages = buddy.alloc_many(0, 255)
    assert sorted(int(page) for page in pages) == list(range(1, 256))
    buddy.free_many(pages)
    buddy.verify()
