"""The arguments of an allocator, and its state after construction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy import PageRanges
from pagebuddy.testing.model import NaiveAllocator
from pagebuddy.testing.strategies import page_ranges

TOP = 1 << 64

LAYOUTS = {
    "one page": [(0, 1)],
    "one page, at 1": [(1, 1)],
    "the last page": [(TOP - 1, 1)],
    "whole": [(0, 64)],
    "odd length": [(0, 77)],
    "odd start": [(13, 64)],
    "touching": [(0, 5), (5, 3), (8, 24)],
    "unsorted": [(200, 9), (0, 16), (77, 30)],
    "unsorted, touching": [(8, 8), (0, 8), (16, 1)],
    "single pages": [(3 * i, 1) for i in range(40)],
    "a hole within a block": [(0, 3), (4, 4)],
    "up to the top": [(TOP - 100, 100)],
    "both ends": [(0, 10), (TOP - 10, 10)],
    "around the middle": [((1 << 63) - 5, 10)],
    "around 2^32": [((1 << 32) - 5, 10)],
}


@pytest.mark.parametrize("ranges", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("max_order", [None, 0, 2, 31])
def test_all_pages_are_free_at_first(Buddy, ranges, max_order):
    buddy = Buddy(PageRanges(ranges), max_order=max_order)
    model = NaiveAllocator(ranges, max_order)
    model.check(buddy)
    while model.free:
        model.take(buddy.alloc(1), 1)
    model.check(buddy)


@given(ranges=page_ranges(), max_order=st.none() | st.integers(0, 31))
def test_random_ranges_give_the_free_blocks_of_the_model(Buddy, ranges, max_order):
    NaiveAllocator(ranges, max_order).check(Buddy(PageRanges(ranges), max_order=max_order))


def test_a_number_of_pages_starts_at_page_0(Buddy):
    NaiveAllocator([(0, 1000)]).check(Buddy(1000))


@pytest.mark.parametrize(
    ("ranges", "order"),
    [
        ([(0, 1)], 0),
        ([(0, 1000)], 9),
        ([(0, 1024)], 10),
        ([(1, 1023)], 9),
        ([(100, 300)], 7),
        ([(0, 4), (4, 4)], 3),
        ([(0, 3), (4, 4)], 2),
    ],
)
def test_the_default_max_order_is_that_of_the_largest_possible_block(Buddy, ranges, order):
    assert len(Buddy(PageRanges(ranges)).stats().free_blocks) == order + 1


def test_max_order_may_exceed_every_range(Buddy):
    buddy = Buddy(5, max_order=31)
    assert len(buddy.stats().free_blocks) == 32
    assert buddy.alloc(5) == 0


def test_adjacent_ranges_are_merged(Buddy):
    buddy = Buddy(PageRanges([(8, 4), (0, 4), (4, 4)]))
    assert buddy.alloc(12) == 0
    buddy.free(0)
    buddy.alloc_at(3, 8)
    assert buddy.size_of(3) == 8


def test_page_numbers_end_at_two_to_the_64th(Buddy):
    buddy = Buddy(PageRanges([(TOP - 4, 4)]))
    assert buddy.alloc(4) == TOP - 4
    buddy.free(TOP - 4)
    buddy.alloc_at(TOP - 1, 1)
    assert list(buddy.spans()) == [(TOP - 1, 1)]
    assert buddy.alloc(1, above=TOP - 2, below=TOP) == TOP - 2
    buddy.free(TOP - 1)
    assert TOP - 1 not in buddy
    buddy.verify()


@pytest.mark.parametrize("nothing", [0, PageRanges([])], ids=["0", "no ranges"])
def test_an_allocator_without_pages_is_refused(Buddy, nothing):
    with pytest.raises(ValueError, match="page"):
        Buddy(nothing)
    with pytest.raises(ValueError, match="page"):
        Buddy.metadata_size(nothing)


def test_empty_and_overlapping_ranges_are_refused(Buddy):
    with pytest.raises(ValueError, match="0"):
        Buddy(PageRanges([(4, 0)]))
    with pytest.raises(ValueError, match="3"):
        Buddy(PageRanges([(0, 4), (3, 4)]))


WRONG_VALUES = {
    "negative pages": ((-1,), {}, "-1"),
    "one page too many": ((2**31 - 63,), {}, str(2**31 - 63)),
    "far too many pages": ((10**30,), {}, str(10**30)),
    "negative order": ((8,), {"max_order": -1}, "-1"),
    "order too high": ((8,), {"max_order": 32}, "32"),
    "order far too high": ((8,), {"max_order": 10**30}, str(10**30)),
    "no page size": ((8,), {"page_size": 0}, "0"),
    "negative page size": ((8,), {"page_size": -4096}, "-4096"),
    "page size no power of two": ((8,), {"page_size": 4095}, "4095"),
    "page size beyond all": ((8,), {"page_size": 1 << 80}, str(1 << 80)),
}

WRONG_TYPES = {
    "pages as float": ((8.0,), {}),
    "pages as text": (("8",), {}),
    "pages as None": ((None,), {}),
    "order as float": ((8,), {"max_order": 3.0}),
    "order as text": ((8,), {"max_order": "3"}),
    "page size as float": ((8,), {"page_size": 4096.0}),
    "page size as None": ((8,), {"page_size": None}),
}


@pytest.mark.parametrize("what", ["constructor", "metadata_size"])
@pytest.mark.parametrize(("args", "kwargs", "given"), WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_wrong_values_raise_value_error(Buddy, what, args, kwargs, given):
    make = Buddy if what == "constructor" else Buddy.metadata_size
    with pytest.raises(ValueError, match=given):
        make(*args, **kwargs)


@pytest.mark.parametrize("what", ["constructor", "metadata_size"])
@pytest.mark.parametrize(("args", "kwargs"), WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_wrong_types_raise_type_error(Buddy, what, args, kwargs):
    make = Buddy if what == "constructor" else Buddy.metadata_size
    with pytest.raises(TypeError):
        make(*args, **kwargs)


def test_too_many_pages_are_refused(Buddy):
    for ranges in ([(0, TOP)], [(0, 2**31), (2**40, 2**31)], [(5, 2**31 - 63)]):
        with pytest.raises(ValueError, match=str(sum(n for _, n in ranges))):
            Buddy(PageRanges(ranges))


def test_the_metadata_size_of_the_most_pages_is_known():
    from pagebuddy import BuddyAllocator

    assert BuddyAllocator.metadata_size(2**31 - 64) < 8.4 * 2**31


@pytest.mark.parametrize(
    ("ranges", "max_order"),
    [(1 << 18, None), (1 << 18, 10), (300_000, 18), (PageRanges([(1, 300_001)]), None)],
    ids=["whole", "order 10", "odd length", "odd start"],
)
def test_metadata_is_at_most_8_4_bytes_a_page(Buddy, ranges, max_order):
    n_pages = ranges if isinstance(ranges, int) else 300_001
    assert Buddy.metadata_size(ranges, max_order=max_order) <= 8.4 * n_pages


def test_objects_with_index_are_accepted_as_ints(Buddy):
    class Eight:
        def __index__(self) -> int:
            return 8

    buddy = Buddy(Eight(), max_order=Eight())
    assert buddy.alloc(Eight()) == 0
    assert buddy.size_of(0) == 8


def test_numpy_arrays_and_scalars_are_accepted(Buddy):
    numpy = pytest.importorskip("numpy")
    ranges = numpy.array([(100, 7), (0, 64)])
    assert list(Buddy(ranges).ranges) == [(0, 64), (100, 7)]
    assert Buddy.metadata_size(ranges) == Buddy.metadata_size([(0, 64), (100, 7)])
    assert Buddy(numpy.array(64)).n_pages == Buddy(numpy.int16(64)).n_pages == 64
    for wrong in (numpy.array([64]), numpy.array([(1.0, 5.0)]), numpy.array(64.0)):
        with pytest.raises(TypeError):
            Buddy(wrong)
