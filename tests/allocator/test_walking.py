"""spans, free_blocks and stats agree with a recount."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pagebuddy import PageRanges
from pagebuddy.allocator.buddy import BuddyAllocator as Uncompiled
from pagebuddy.core import words
from pagebuddy.testing import NaiveAllocator

RANGES = [(100, 50), (7, 30), (1 << 40, 20)]


@pytest.fixture
def filled(Buddy):
    """An allocator with spans of 1 to 8 pages in all its ranges, and its model."""
    buddy = Buddy(PageRanges(RANGES))
    model = NaiveAllocator(RANGES)
    for i in range(200):
        n_pages = 1 + i * 5 % 8
        if model.fits(n_pages):
            model.take(buddy.alloc(n_pages), n_pages)
    for page in sorted(model.spans)[::4]:
        model.give_back(page)
        buddy.free(page)
    return buddy, model


def test_spans_are_listed_in_address_order_with_their_sizes(filled):
    buddy, model = filled
    spans = list(buddy.spans())
    assert spans == sorted(model.spans.items())
    assert all(first + n <= second for (first, n), (second, _) in pairwise(spans))


def test_an_empty_allocator_has_no_spans(Buddy):
    assert list(Buddy(64).spans()) == []


def test_one_span_can_cover_all_pages(Buddy):
    buddy = Buddy(64)
    buddy.alloc(64)
    assert list(buddy.spans()) == [(0, 64)]
    assert list(buddy.free_blocks()) == []


def test_the_current_span_may_be_freed_during_the_walk(filled):
    buddy, model = filled
    seen = []
    for page, n_pages in buddy.spans():
        seen.append((page, n_pages))
        buddy.free(page)
    assert seen == sorted(model.spans.items())
    for page, _ in seen:
        model.give_back(page)
    model.check(buddy)


def test_the_current_span_may_shrink_during_the_walk(filled):
    buddy, model = filled
    seen = []
    for page, n_pages in buddy.spans():
        seen.append((page, n_pages))
        assert buddy.resize(page, max(1, n_pages // 2))
    assert seen == sorted(model.spans.items())
    for page, n_pages in seen:
        model.resize(page, max(1, n_pages // 2))
    model.check(buddy)


def test_the_current_span_may_grow_during_the_walk(filled):
    buddy, model = filled
    before = sorted(model.spans.items())
    seen = []
    for page, n_pages in buddy.spans():
        seen.append((page, n_pages))
        possible = model.can_resize(page, n_pages + 1)
        assert buddy.resize(page, n_pages + 1) is possible
        if possible:
            model.resize(page, n_pages + 1)
    assert seen == before
    model.check(buddy)


def test_a_walk_writes_nothing(filled):
    buddy, _ = filled
    before = bytes(buddy.metadata)
    list(buddy.spans())
    assert bytes(buddy.metadata) == before


def test_a_walk_reads_each_page_of_the_cached_run_once(counted):
    buddy = Uncompiled(PageRanges([(0, 5000), (10_000, 5000)]))
    for page, n_pages in ((3, 4000), (4500, 5), (14_999, 1)):
        buddy.alloc_at(page, n_pages)
    buddy.free(3)
    buddy.records = counted(buddy.records)
    assert list(buddy.spans()) == [(4500, 5), (14_999, 1)]
    assert buddy.records.reads < 4000 + 50


@pytest.mark.parametrize(
    ("first", "n_pages"),
    [
        (1, 8),
        (4, 8),
        (10, 26),
        (30, 3),
        (-10, 45),
        (-words.FIRST_NODE, 1 << 30),
        (40, 1 << 30),
        (1 << 31, 9),
    ],
    ids=str,
)
def test_a_walk_skips_no_live_span_even_if_the_cached_run_is_wrong(Buddy, first, n_pages):
    buddy = Buddy(PageRanges([(0, 32), (64, 32)]))
    for page in (0, 4, 6, 31, 65, 95):
        buddy.alloc_at(page, 1)
    spans = list(buddy.spans())
    buddy.metadata.cast("Q")[words.H_ASIDE] = n_pages << 32 | words.FIRST_NODE + first
    assert list(buddy.spans()) == spans


def test_free_blocks_and_figures_agree_with_a_recount(filled):
    buddy, model = filled
    model.check(buddy)
    stats = buddy.stats()
    assert stats.used + stats.free == stats.n_pages == 100
    assert sum(n << order for order, n in enumerate(stats.free_blocks)) == stats.free
    assert all(page % (1 << order) == 0 for page, order in buddy.free_blocks())


def test_stats_do_not_follow_later_changes(Buddy):
    buddy = Buddy(64)
    before = buddy.stats()
    buddy.alloc(10)
    assert (before.used, before.free, before.n_spans) == (0, 64, 0)
    after = buddy.stats()
    assert (after.used, after.free, after.n_spans) == (10, 54, 1)
