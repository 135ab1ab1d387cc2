"""Error messages, and the difference between wrong types and wrong values."""

from __future__ import annotations

import pickle

import pytest

from pagebuddy import BadFree, CorruptMetadata, OutOfPages, PageBuddyError
from pagebuddy.testing import refused


@pytest.fixture
def buddy(Buddy):
    """Two live spans, and pages that are cached."""
    made = Buddy(64, page_size=512)
    made.alloc_at(3, 5)
    made.alloc_at(20, 10)
    made.alloc_at(40, 4)
    made.free(40)
    return made


NOT_INTS = [1.0, "1", None, [1], b"1", 1j]


@pytest.mark.parametrize("thing", NOT_INTS, ids=repr)
@pytest.mark.parametrize(
    "call",
    [
        lambda buddy, thing: buddy.alloc(thing),
        lambda buddy, thing: buddy.alloc_order(thing),
        lambda buddy, thing: buddy.alloc_many(thing, 1),
        lambda buddy, thing: buddy.alloc_many(0, thing),
        lambda buddy, thing: buddy.alloc_at(thing, 1),
        lambda buddy, thing: buddy.alloc_at(50, thing),
        lambda buddy, thing: buddy.free(thing),
        lambda buddy, thing: buddy.size_of(thing),
        lambda buddy, thing: buddy.generation_of(thing),
        lambda buddy, thing: buddy.resize(thing, 1),
        lambda buddy, thing: buddy.resize(3, thing),
    ],
    ids=[
        "alloc",
        "alloc_order",
        "alloc_many order",
        "alloc_many count",
        "alloc_at page",
        "alloc_at n_pages",
        "free",
        "size_of",
        "generation_of",
        "resize page",
        "resize n_pages",
    ],
)
def test_arguments_that_are_not_ints_raise_type_error(buddy, call, thing):
    with refused(buddy, TypeError):
        call(buddy, thing)


@pytest.mark.parametrize("thing", [5.0, "5"])
def test_keyword_arguments_that_are_not_ints_raise_type_error(buddy, thing):
    with refused(buddy, TypeError):
        buddy.free(3, n_pages=thing)
    with refused(buddy, TypeError):
        buddy.free(3, generation=thing)
    for limit in ("above", "below", "align"):
        with refused(buddy, TypeError):
            buddy.alloc(1, **{limit: thing})


def test_missing_and_unknown_arguments_raise_type_error(buddy):
    for call in (
        lambda: buddy.alloc(),
        lambda: buddy.free(),
        lambda: buddy.alloc(1, 2, 3, 4, 5, 6),
        lambda: buddy.alloc(1, aligned=4),
        lambda: buddy.free(3, size=5),
        lambda: buddy.alloc_at(50),
        lambda: buddy.resize(3),
        lambda: buddy.alloc_many(0),
    ):
        with refused(buddy, TypeError):
            call()


def test_each_error_is_also_a_built_in_exception(buddy):
    with pytest.raises(MemoryError) as full:
        buddy.alloc(64)
    with pytest.raises(ValueError, match="21") as bad:
        buddy.free(21)
    with pytest.raises(RuntimeError) as corrupt:
        buddy.attach(bytearray(64))
    for caught, kind in ((full, OutOfPages), (bad, BadFree), (corrupt, CorruptMetadata)):
        assert type(caught.value) is kind
        assert isinstance(caught.value, PageBuddyError)


def test_out_of_pages_reports_figures_in_pages_and_bytes(buddy):
    with pytest.raises(OutOfPages) as caught:
        buddy.alloc(50)
    error = caught.value
    assert (error.requested, error.free, error.largest_free, error.page_size) == (50, 49, 34, 512)
    for n_pages in (50, 49, 34):
        assert f"{n_pages} pages ({n_pages * 512} bytes)" in str(error)


def test_bad_free_reports_the_page_and_its_state(buddy):
    with pytest.raises(BadFree, match="22"):
        buddy.free(22)
    with pytest.raises(BadFree, match=r"\b4\b.*\b5\b|\b5\b.*\b4\b"):
        buddy.free(3, n_pages=4)


@pytest.mark.parametrize(
    "call",
    [
        lambda buddy: buddy.alloc(64),
        lambda buddy: buddy.free(21),
        lambda buddy: buddy.free(3, n_pages=4),
        lambda buddy: buddy.attach(bytearray(64)),
    ],
    ids=["OutOfPages", "BadFree", "BadFree, told", "CorruptMetadata"],
)
def test_errors_can_be_pickled(buddy, call):
    with pytest.raises(PageBuddyError) as caught:
        call(buddy)
    error = caught.value
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


BEYOND_DIGITS = 1 << 20_000


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda buddy, big: buddy.alloc(big),
            OutOfPages,
            r"no room for 2\^20000 pages \(2\^20009 b",
        ),
        (
            lambda buddy, big: buddy.alloc(big + 1, align=8),
            OutOfPages,
            r"for more than 2\^20000 pag",
        ),
        (lambda buddy, big: buddy.alloc_many(1, big), OutOfPages, r"no room for 2\^20001 pages"),
        (lambda buddy, big: buddy.alloc_order(4096), OutOfPages, r"no room for 2\^4096 pages"),
        (lambda buddy, big: buddy.alloc(1, above=big), OutOfPages, r"from page 2\^20000:"),
        (lambda buddy, big: buddy.alloc(65, below=big), OutOfPages, r"below page 2\^20000:"),
        (
            lambda buddy, big: buddy.alloc(1, above=big, below=5),
            ValueError,
            r"above is 2\^20000 and",
        ),
        (
            lambda buddy, big: buddy.alloc(-big - 1),
            ValueError,
            r"n is less than -2\^20000; it must",
        ),
        (lambda buddy, big: buddy.alloc(-big), ValueError, r"n is -2\^20000; it must"),
        (lambda buddy, big: buddy.alloc(1, align=big), ValueError, r"align is 2\^20000; it must"),
        (lambda buddy, big: buddy.alloc_order(big), ValueError, r"order is 2\^20000; it must"),
        (
            lambda buddy, big: buddy.alloc_at(50, big),
            ValueError,
            r"pages 50 to more than 2\^20000 ar",
        ),
        (lambda buddy, big: buddy.free(big), BadFree, r"page 2\^20000 is not in"),
        (lambda buddy, big: buddy.size_of(-big), BadFree, r"page -2\^20000 is not in"),
        (lambda buddy, big: buddy.free(3, n_pages=big), BadFree, r"has 5 pages, not 2\^20000:"),
        (lambda buddy, big: buddy.free(3, generation=big), BadFree, r"not 2\^20000:"),
        (lambda buddy, big: buddy.free_many([big]), ValueError, r"pages is 2\^20000; it must"),
        (lambda buddy, big: type(buddy)(big), ValueError, r"is 2\^20000; it must"),
        (
            lambda buddy, big: buddy.ranges.carve(big),
            OutOfPages,
            r"no room for 2\^20000 pages in one",
        ),
    ],
)
def test_a_number_too_long_to_print_is_reported_briefly(buddy, call, error, says):
    with pytest.raises(error, match=says) as caught:
        call(buddy, BEYOND_DIGITS)
    assert type(caught.value) is error
    assert len(str(caught.value)) < 300
