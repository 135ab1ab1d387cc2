"""recover: the records are the truth, and all else is rebuilt from them, whenever a crash comes.

Every store is a crash point: the uncompiled engine keeps its words before each of its stores, and
from each of these states the engine under test recovers.
"""

from __future__ import annotations

import random

import pytest

from pagebuddy import OutOfPages, PageRanges
from pagebuddy.allocator import BuddyAllocator
from pagebuddy.testing import NaiveAllocator

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


def test_nothing_is_lost_or_invented(filled):
    buddy, model = filled
    generations = {page: buddy.generation_of(page) for page in model.spans}
    buddy.recover()
    model.check(buddy)
    assert {page: buddy.generation_of(page) for page in model.spans} == generations


def test_twice_is_once(filled):
    buddy, _ = filled
    buddy.recover()
    once = bytes(buddy.metadata)
    buddy.recover()
    assert bytes(buddy.metadata) == once


def test_what_was_aside_is_free(Buddy):
    buddy = Buddy(64)
    page = buddy.alloc(64)
    buddy.free(page)
    buddy.recover()
    NaiveAllocator([(0, 64)]).check(buddy)


def test_empty_and_full(Buddy):
    buddy = Buddy(64)
    buddy.recover()
    NaiveAllocator([(0, 64)]).check(buddy)
    buddy.alloc(64)
    buddy.recover()
    assert list(buddy.spans()) == [(0, 64)]
    assert buddy.stats().free == 0
    buddy.verify()


def test_generations_go_on(Buddy):
    buddy = Buddy(64)
    pages = [buddy.alloc(2) for _ in range(5)]
    buddy.recover()
    pages.append(buddy.alloc(2))
    assert len({buddy.generation_of(page) for page in pages}) == 6


def test_on_a_copy(filled, Buddy):
    buddy, model = filled
    copy = Buddy.attach(bytearray(buddy.metadata))
    copy.recover()
    model.check(copy)


# Every store


class Stores:
    """The words of an uncompiled allocator; before each store it keeps what they all were."""

    def __init__(self, words, metadata, states):
        self.words = words
        self.metadata = metadata
        self.states = states

    def __getitem__(self, index):
        return self.words[index]

    def __setitem__(self, index, value):
        self.states.append(bytes(self.metadata))
        self.words[index] = value


def states_during(buddy, operation):
    """Run an operation; the bytes as they were before each of its stores, and at its end."""
    states = []
    plain = buddy.words, buddy.links
    buddy.words, buddy.links = (Stores(words, buddy.metadata, states) for words in plain)
    try:
        operation(buddy)
    except OutOfPages:
        pass
    finally:
        buddy.words, buddy.links = plain
    return [*states, bytes(buddy.metadata)]


def generations_of(buddy):
    return {(page, n): buddy.generation_of(page) for page, n in buddy.spans()}


def recovered(allocator, state, ranges, max_order):
    """The spans that are there, by generation, after a recovery from a crash at this state."""
    buddy = allocator.attach(bytearray(state))
    buddy.recover()
    once = bytes(buddy.metadata)
    model = NaiveAllocator(ranges, max_order)
    for page, n_pages in buddy.spans():
        model.take(page, n_pages)
    model.check(buddy)
    buddy.recover()
    assert bytes(buddy.metadata) == once
    return generations_of(buddy)


def single_acts(chance, spans, model):
    """Acts that change at most one span."""
    pages = sorted(model.pages)
    near = chance.choice(pages)
    n = chance.choice([1, 2, 3, 5, 8, 13, 30])
    yield lambda buddy: buddy.alloc(n)
    yield lambda buddy: buddy.alloc(n, align=chance.choice([2, 8]))
    yield lambda buddy: buddy.alloc(n, above=near, below=near + 2 * n)
    yield lambda buddy: buddy.alloc_order(chance.randrange(4))
    if all(page in model.pages for page in range(near, near + n)):
        yield lambda buddy: buddy.alloc_at(near, n)
    yield lambda buddy: buddy.stats()
    for page in chance.sample(spans, min(3, len(spans))):
        yield lambda buddy, page=page: buddy.free(page)
        yield lambda buddy, page=page: buddy.resize(page, n)


def batch_acts(chance, spans):
    """Acts that change many spans, one after the other."""
    yield lambda buddy: buddy.alloc_many(chance.randrange(2), chance.randint(1, 9))
    yield lambda buddy: buddy.free_many(chance.sample(spans, chance.randint(0, len(spans))))


@pytest.mark.parametrize("max_order", [None, 0, 2])
def test_a_crash_before_any_store_of_any_operation(Buddy, max_order, rounds):
    buddy = BuddyAllocator(PageRanges(FEW), max_order=max_order)
    model = NaiveAllocator(FEW, max_order)
    chance = random.Random(max_order)
    done = set()
    for i in range(150 * rounds):
        before = generations_of(buddy)
        spans = [page for page, _ in before]
        batch = i % 6 == 5
        acts = batch_acts(chance, spans) if batch else single_acts(chance, spans, model)
        states = states_during(buddy, chance.choice(list(acts)))
        after = generations_of(buddy)
        for state in states:
            found = recovered(Buddy, state, FEW, max_order)
            if batch:
                assert before.items() & after.items() <= found.items()
                assert found.items() <= before.items() | after.items()
            else:
                assert found in (before, after)
            done.add(found == before)
    assert done == {True, False}


@pytest.mark.parametrize("max_order", [None, 0, 2])
def test_a_crash_before_any_store_of_a_recovery(Buddy, max_order):
    buddy = BuddyAllocator(PageRanges(FEW), max_order=max_order)
    pages = [buddy.alloc(n) for n in (1, 2, 3, 5, 1, 2, 8)]
    for page in pages[::2]:
        buddy.free(page)
    crashes = states_during(buddy, lambda buddy: buddy.alloc_at(36 + 4, 9))
    for crash in (crashes[0], crashes[len(crashes) // 2], crashes[-1]):
        broken = BuddyAllocator.attach(bytearray(crash))
        *states, whole = states_during(broken, lambda buddy: buddy.recover())
        assert states
        for state in states:
            again = Buddy.attach(bytearray(state))
            again.recover()
            assert bytes(again.metadata) == whole
