"""recover: everything else is rebuilt from the records, after a crash at any point."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from pagebuddy import OutOfPages, PageRanges
from pagebuddy.allocator.buddy import BuddyAllocator
from pagebuddy.testing import NaiveAllocator
from pagebuddy.testing.crash import crash_points

RANGES = [(3, 120), (200, 72), ((1 << 64) - 9, 9)]
FEW = [(3, 21), (24, 6), (40, 13)]


@pytest.fixture(params=[None, 0, 3], ids=["order 6", "order 0", "order 3"])
def filled(Buddy, request):
    buddy = Buddy(PageRanges(RANGES), max_order=request.param)
    model = NaiveAllocator(RANGES, request.param)
    chance = random.Random(3)
    for _ in range(60):
        n_pages = chance.randint(1, 9)
        if model.fits(n_pages):
            model.take(buddy.alloc(n_pages), n_pages)
    for page in chance.sample(sorted(model.spans), len(model.spans) // 2):
        buddy.free(page)
        model.give_back(page)
    return buddy, model


def test_recovery_keeps_all_spans_and_generations(filled):
    buddy, model = filled
    generations = {page: buddy.generation_of(page) for page in model.spans}
    buddy.recover()
    model.check(buddy)
    assert {page: buddy.generation_of(page) for page in model.spans} == generations


def test_recovery_is_idempotent(filled):
    buddy, _ = filled
    buddy.recover()
    once = bytes(buddy.metadata)
    buddy.recover()
    assert bytes(buddy.metadata) == once


def test_the_cached_run_is_free_after_recovery(Buddy):
    buddy = Buddy(64)
    page = buddy.alloc(64)
    buddy.free(page)
    buddy.recover()
    NaiveAllocator([(0, 64)]).check(buddy)


def test_recovery_of_an_empty_and_a_full_allocator(Buddy):
    buddy = Buddy(64)
    buddy.recover()
    NaiveAllocator([(0, 64)]).check(buddy)
    buddy.alloc(64)
    buddy.recover()
    assert list(buddy.spans()) == [(0, 64)]
    assert buddy.stats().free == 0
    buddy.verify()


def test_generations_stay_unique_after_recovery(Buddy):
    buddy = Buddy(64)
    pages = [buddy.alloc(2) for _ in range(5)]
    buddy.recover()
    pages.append(buddy.alloc(2))
    assert len({buddy.generation_of(page) for page in pages}) == 6


def test_a_copy_of_the_metadata_can_be_recovered(filled, Buddy):
    buddy, model = filled
    copy = Buddy.attach(bytearray(buddy.metadata))
    copy.recover()
    model.check(copy)


# A crash at any store of a long history: stop the uncompiled engine, and recover with both engines


def generations_of(buddy):
    return {(page, n): buddy.generation_of(page) for page, n in buddy.spans()}


def recovered(allocator, metadata, max_order):
    """Return the spans, by generation, after recovering a copy of the metadata."""
    buddy = allocator.attach(bytearray(metadata))
    buddy.recover()
    model = NaiveAllocator(FEW, max_order)
    for page, n_pages in buddy.spans():
        model.take(page, n_pages)
    model.check(buddy)
    return generations_of(buddy)


def single_acts(chance, spans, model):
    """Operations that change at most one span."""
    near = chance.choice(sorted(model.pages))
    n, order = chance.choice([1, 2, 3, 5, 8, 13, 30]), chance.randrange(4)
    yield lambda buddy: buddy.alloc(n)
    yield lambda buddy: buddy.alloc(n, align=1 << order)
    yield lambda buddy: buddy.alloc(n, above=near, below=near + 2 * n)
    yield lambda buddy: buddy.alloc_order(order)
    if all(page in model.pages for page in range(near, near + n)):
        yield lambda buddy: buddy.alloc_at(near, n)
    yield lambda buddy: buddy.stats()
    for page in chance.sample(spans, min(3, len(spans))):
        yield lambda buddy, page=page: buddy.free(page)
        yield lambda buddy, page=page: buddy.resize(page, n)


def batch_acts(chance, spans):
    """Operations that change many spans, one after the other."""
    order, count = chance.randrange(2), chance.randint(1, 9)
    some = chance.sample(spans, chance.randint(0, len(spans)))
    yield lambda buddy: buddy.alloc_many(order, count)
    yield lambda buddy: buddy.free_many(some)


@pytest.mark.parametrize("max_order", [None, 0, 2])
def test_recovery_after_a_crash_at_any_store_of_a_random_history(Buddy, max_order, effort):
    metadata = bytes(BuddyAllocator(PageRanges(FEW), max_order=max_order).metadata)
    model = NaiveAllocator(FEW, max_order)
    chance = random.Random(max_order)
    undone = set()
    for i in range(effort.pick(30, 100)):
        before = generations_of(BuddyAllocator.attach(bytearray(metadata)))
        spans = [page for page, _ in before]
        batch = i % 6 == 5
        acts = batch_acts(chance, spans) if batch else single_acts(chance, spans, model)
        act = chance.choice(list(acts))

        def or_none(buddy, act=act):
            with suppress(OutOfPages):
                act(buddy)

        points = crash_points(metadata, or_none, BuddyAllocator.attach)
        metadata = points[-1]
        after = generations_of(BuddyAllocator.attach(bytearray(metadata)))
        for point in points:
            found = recovered(Buddy, point, max_order)
            if batch:
                assert before.items() & after.items() <= found.items()
                assert found.items() <= before.items() | after.items()
            else:
                assert found in (before, after)
            undone.add(found == before)
    assert undone == {True, False}
