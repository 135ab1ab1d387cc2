"""A process may die before any store of any operation: no page is lost or allocated twice."""

from itertools import pairwise

import pytest

from pagebuddy import OutOfPages, PageRanges
from pagebuddy.allocator.buddy import BuddyAllocator
from pagebuddy.testing.crash import Crash, arm, crash_points
from tests.core.recovering import recover_to_the_high_water, spans_of

RANGES = PageRanges([(3, 40), (64, 24), (1000, 9)])


def busy_allocator():
    """An allocator with spans of many lengths, gaps and cached pages, in three page ranges."""
    buddy = BuddyAllocator(RANGES, max_order=4)
    pages = [buddy.alloc(n) for n in (1, 2, 3, 5, 8, 1, 1, 7, 2, 9, 1, 4, 3, 6)]
    for page in pages[1::3]:
        buddy.free(page)
    return buddy, [page for page in pages if page in buddy]


def alloc_too_much(buddy):
    with pytest.raises(OutOfPages):
        buddy.alloc(60)


def free_first(buddy):
    buddy.free(next(buddy.spans())[0])


def free_two(buddy):
    for page, _ in list(buddy.spans())[:2]:
        buddy.free(page)


OPERATIONS = {
    "alloc 1": lambda buddy: buddy.alloc(1),
    "alloc 5": lambda buddy: buddy.alloc(5),
    "alloc gathered": lambda buddy: buddy.alloc(buddy.stats().largest_free),
    "alloc aligned": lambda buddy: buddy.alloc(1, align=8),
    "alloc in a window": lambda buddy: buddy.alloc(2, above=20, below=90),
    "alloc what cannot be had": alloc_too_much,
    "alloc_order": lambda buddy: buddy.alloc_order(2),
    "alloc_at": lambda buddy: buddy.alloc_at(*next(buddy.free_blocks())[:1], 1),
    "free": free_first,
    "free two": free_two,
    "grow": lambda buddy: [buddy.resize(page, n + 1) for page, n in list(buddy.spans())],
    "shrink": lambda buddy: [buddy.resize(page, 1) for page, n in list(buddy.spans()) if n > 1],
    "alloc_many": lambda buddy: buddy.alloc_many(0, 7),
    "free_many": lambda buddy: buddy.free_many([page for page, _ in buddy.spans()]),
    "recover": lambda buddy: buddy.recover(),
    "stats": lambda buddy: buddy.stats(),
}
ONE_BY_ONE = {"free two", "grow", "shrink", "alloc_many", "free_many"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_crash_at_every_store(name):
    start = bytes(busy_allocator()[0].metadata)
    points = crash_points(start, OPERATIONS[name], BuddyAllocator.attach)
    before, after = spans_of(points[0]), spans_of(points[-1])
    seen = [spans_of(point) for point in points]
    assert seen[0] == spans_of(start)
    commits = sum(a != b for a, b in pairwise(seen))
    if name in ONE_BY_ONE:
        assert commits >= 2, "each span commits by itself"
    else:
        assert all(spans in (before, after) for spans in seen), "one store commits"
        assert commits <= 1
    for previous, spans in pairwise(seen):
        changed = {page for page, _, _ in previous ^ spans}
        assert len(changed) <= 1, "at most one span differs from one store to the next"


@pytest.mark.parametrize("mend", [BuddyAllocator.recover, recover_to_the_high_water])
@pytest.mark.parametrize("name", ["free two", "alloc gathered", "free_many"])
def test_a_crash_during_recovery_is_recovered_from(name, mend):
    start = bytes(busy_allocator()[0].metadata)
    points = crash_points(start, OPERATIONS[name], BuddyAllocator.attach)
    for point in points[:: max(1, len(points) // 6)]:
        whole = spans_of(point)
        for again in crash_points(point, mend, BuddyAllocator.attach)[::7]:
            assert spans_of(again) == whole


def test_recovery_touches_no_record_and_is_the_same_twice():
    buddy, pages = busy_allocator()
    once = bytearray(buddy.metadata)
    first = BuddyAllocator.attach(once)
    first.recover()
    kept = bytes(once)
    first.recover()
    assert bytes(once) == kept
    assert [page for page, _ in first.spans()] == sorted(pages)


def test_the_dead_store_nothing():
    buddy, _ = busy_allocator()
    budget = arm(buddy)
    budget.left = 3
    with pytest.raises(Crash):
        buddy.alloc(4)
    assert budget.spent == 3
