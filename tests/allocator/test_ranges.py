"""PageRanges: tables of arguments and results, and every wrong argument."""

import copy
import pickle

import pytest

from pagebuddy.allocator.ranges import PageRanges, aligned_pieces, whole_pages
from pagebuddy.arguments import LAST_PAGE, PAGE_NUMBERS
from pagebuddy.errors import OutOfPages


@pytest.mark.parametrize(
    ("first", "n", "max_pages", "pieces"),
    [
        (0, 1, 1, [(0, 1)]),
        (0, 8, 8, [(0, 8)]),
        (0, 8, 2, [(0, 2), (2, 2), (4, 2), (6, 2)]),
        (0, 7, 64, [(0, 4), (4, 2), (6, 1)]),
        (1, 7, 64, [(1, 1), (2, 2), (4, 4)]),
        (1, 8, 64, [(1, 1), (2, 2), (4, 4), (8, 1)]),
        (3, 10, 4, [(3, 1), (4, 4), (8, 4), (12, 1)]),
        (6, 2, 64, [(6, 2)]),
        (7, 2, 64, [(7, 1), (8, 1)]),
        (0, PAGE_NUMBERS, PAGE_NUMBERS, [(0, PAGE_NUMBERS)]),
        (1 << 63, 1 << 63, 1 << 62, [(1 << 63, 1 << 62), (3 << 62, 1 << 62)]),
        (LAST_PAGE, 1, 1024, [(LAST_PAGE, 1)]),
        (LAST_PAGE - 2, 3, 1024, [(LAST_PAGE - 2, 1), (LAST_PAGE - 1, 2)]),
    ],
)
def test_aligned_pieces_splits_at_aligned_pages(first, n, max_pages, pieces):
    assert list(aligned_pieces(first, n, max_pages)) == pieces


@pytest.mark.parametrize(
    ("ram", "page_size", "pages"),
    [
        ([(0x1000, 0x2000)], 4096, [(1, 1)]),
        ([(0x1000, 0x9FC00)], 4096, [(1, 0x9E)]),
        ([(0x0FFF, 0x3001)], 4096, [(1, 2)]),
        ([(0x1001, 0x3000)], 4096, [(2, 1)]),
        ([(0x1001, 0x1FFF), (0x5000, 0x6000)], 4096, [(5, 1)]),
        ([(0, 1 << 64)], 1, [(0, PAGE_NUMBERS)]),
        ([(0, 1 << 64)], 4096, [(0, 1 << 52)]),
        ([(5, 7)], 1, [(5, 2)]),
        # Adjacent RAM: separate ranges if they meet between pages, one range if they share a page.
        ([(0x1000, 0x2000), (0x2000, 0x3000)], 4096, [(1, 1), (2, 1)]),
        ([(0x1000, 0x2800), (0x2800, 0x4000)], 4096, [(1, 3)]),
        ([(0x1000, 0x1400), (0x1400, 0x1800), (0x1800, 0x2000)], 4096, [(1, 1)]),
        ([(0x1000, 0x2800), (0x2801, 0x4000)], 4096, [(1, 1), (3, 1)]),
    ],
)
def test_whole_pages_rounds_ram_inwards(ram, page_size, pages):
    assert whole_pages(ram, page_size) == pages


@pytest.mark.parametrize("ram", [[], [(0, 4095)], [(1, 8191)], [(1, 4096), (4097, 8192)]])
def test_no_whole_page_is_an_error(ram):
    with pytest.raises(ValueError, match="no whole page of 4096 bytes"):
        whole_pages(ram, 4096)


@pytest.mark.parametrize("page_size", [0, -4096, 3, 4095, 6144])
def test_page_size_is_a_power_of_two(page_size):
    with pytest.raises(
        ValueError, match=rf"page_size is {page_size}; it must be (at least 1|a power)"
    ):
        whole_pages([(0, 1 << 20)], page_size)


@pytest.mark.parametrize("page_size", [4096.0, "4096", None])
def test_page_size_is_an_int(page_size):
    with pytest.raises(TypeError, match=r"page_size is .*; it must be an integer"):
        whole_pages([(0, 1 << 20)], page_size)


@pytest.mark.parametrize(
    ("given", "ranges"),
    [
        ((), []),
        ([(5, 1)], [(5, 1)]),
        ([(8, 4), (0, 4)], [(0, 4), (8, 4)]),
        ([(4, 4), (0, 4)], [(0, 4), (4, 4)]),
        ([[0, 3], [7, 5]], [(0, 3), (7, 5)]),
        ([(0, PAGE_NUMBERS)], [(0, PAGE_NUMBERS)]),
        ([(LAST_PAGE, 1), (0, 1)], [(0, 1), (LAST_PAGE, 1)]),
        (iter([(1, True)]), [(1, 1)]),
    ],
)
def test_construction_accepts_pairs_and_merges_nothing(given, ranges):
    made = PageRanges(given)
    assert list(made) == ranges
    assert len(made) == len(ranges)
    assert made.n_pages == sum(n for _, n in ranges)
    assert bool(made) == bool(ranges)


@pytest.mark.parametrize(
    "given",
    [
        [(0, 4), (3, 1)],
        [(3, 1), (0, 4)],
        [(0, 4), (0, 4)],
        [(0, 4), (0, 1)],
        [(0, 100), (200, 5), (50, 1)],
        [(0, PAGE_NUMBERS), (LAST_PAGE, 1)],
    ],
)
def test_overlap_is_an_error_however_it_comes(given):
    with pytest.raises(ValueError, match="overlap"):
        PageRanges(given)
    *there, last = given
    ranges = PageRanges(there)
    with pytest.raises(ValueError, match="overlap"):
        ranges.add(*last)
    assert ranges == PageRanges(there)


def test_an_overlap_names_both_ranges_and_a_page():
    ranges = PageRanges([(0x100, 0x10)])
    with pytest.raises(ValueError, match=r"\(0xf8, 0x10\) and \(0x100, 0x10\).*page 0x100"):
        ranges.add(0xF8, 0x10)
    with pytest.raises(ValueError, match=r"\(0x100, 0x10\) and \(0x10f, 0x1\).*page 0x10f"):
        ranges.add(0x10F, 1)


BAD_RANGES = [
    (0, 0, ValueError, "the number of pages from page 0x0 is 0; it must be at least 1"),
    (7, 0, ValueError, "the number of pages from page 0x7 is 0; it must be at least 1"),
    (7, -1, ValueError, "the number of pages from page 0x7 is -1; it must be at least 1"),
    (-1, 4, ValueError, "the first page is -1; it must be at least 0"),
    (LAST_PAGE, 2, ValueError, f"from page {LAST_PAGE:#x} is 2; it must be at most 1"),
    (PAGE_NUMBERS, 1, ValueError, f"the first page is {PAGE_NUMBERS}; .* at most {LAST_PAGE}"),
    (0, PAGE_NUMBERS + 1, ValueError, f"it must be at most {PAGE_NUMBERS}"),
    (0.0, 1, TypeError, "the first page is 0.0, a float; it must be an integer"),
    (0, 1.0, TypeError, "the number of pages from page 0x0 is 1.0, a float"),
    ("0", 1, TypeError, "the first page is '0', a str"),
    (0, None, TypeError, "the number of pages from page 0x0 is None, a NoneType"),
]


@pytest.mark.parametrize(("first", "n", "error", "message"), BAD_RANGES)
def test_bad_ranges_change_nothing(first, n, error, message):
    with pytest.raises(error, match=message):
        PageRanges([(first, n)])
    ranges = PageRanges([(0, 4), (9, 1)])
    for operation in (ranges.add, ranges.remove):
        with pytest.raises(error, match=message):
            operation(first, n)
    assert list(ranges) == [(0, 4), (9, 1)]


@pytest.mark.parametrize("given", [5, (1, 2, 3), (1,), ()])
def test_a_range_is_a_pair(given):
    with pytest.raises(
        TypeError, match=r"a page range is a pair \(first page, number of pages\), not"
    ):
        PageRanges([given])


def test_numpy_numbers_are_accepted():
    numpy = pytest.importorskip("numpy")
    ranges = PageRanges(numpy.array([[LAST_PAGE, 1], [0, 8]], dtype="u8"))
    assert list(ranges) == [(0, 8), (LAST_PAGE, 1)]
    ranges.remove(numpy.int8(2), numpy.uint64(2))
    assert ranges.carve(numpy.int64(3)) == 5
    assert list(ranges) == [(0, 2), (4, 1), (LAST_PAGE, 1)]
    assert all(type(number) is int for page_range in ranges for number in page_range)
    assert numpy.uint64(4) in ranges
    with pytest.raises(TypeError, match=r"the first page is .*; it must be an integer"):
        ranges.add(numpy.float64(20), 1)


@pytest.mark.parametrize(
    ("first", "n", "left"),
    [
        (0, 4, [(4, 4), (10, 2)]),
        (0, 1, [(1, 3), (4, 4), (10, 2)]),
        (3, 1, [(0, 3), (4, 4), (10, 2)]),
        (1, 2, [(0, 1), (3, 1), (4, 4), (10, 2)]),
        (3, 2, [(0, 3), (5, 3), (10, 2)]),
        (0, 8, [(10, 2)]),
        (10, 2, [(0, 4), (4, 4)]),
        (4, 4, [(0, 4), (10, 2)]),
    ],
)
def test_remove_leaves_the_other_pages(first, n, left):
    ranges = PageRanges([(0, 4), (4, 4), (10, 2)])
    ranges.remove(first, n)
    assert list(ranges) == left


@pytest.mark.parametrize(
    ("first", "n", "missing"),
    [(0, 1, 0), (0, 12, 0), (9, 1, 9), (7, 4, 9), (8, 2, 9), (12, 1, 12), (4, 9, 9), (99, 1, 99)],
)
def test_removing_missing_pages_names_the_first_of_them(first, n, missing):
    there = [(1, 4), (5, 4), (10, 2)]
    ranges = PageRanges(there)
    with pytest.raises(ValueError, match=rf"page {missing:#x} is not in the ranges"):
        ranges.remove(first, n)
    assert list(ranges) == there
    with pytest.raises(ValueError, match="is not in the ranges"):
        PageRanges().remove(first, n)


def test_pop_takes_the_last_until_none_is_left():
    ranges = PageRanges([(8, 2), (0, 4)])
    assert [ranges.pop(), ranges.pop()] == [(8, 2), (0, 4)]
    with pytest.raises(IndexError, match="no range left"):
        ranges.pop()


@pytest.mark.parametrize("max_pages", [0, -1, 3, 12, LAST_PAGE])
def test_splitting_needs_a_power_of_two(max_pages):
    ranges = PageRanges([(0, 12)])
    with pytest.raises(
        ValueError, match=rf"max_pages is {max_pages}; it must be (at least 1|a power)"
    ):
        ranges.split_to_powers_of_two(max_pages)
    with pytest.raises(TypeError, match=r"max_pages is 4\.0, a float; it must be an integer"):
        ranges.split_to_powers_of_two(4.0)
    assert list(ranges) == [(0, 12)]


def test_splitting_keeps_the_order_of_ranges():
    ranges = PageRanges([(1, 0x9E), (0x100, 0x300), (LAST_PAGE, 1)])
    before = ranges.joined()
    ranges.split_to_powers_of_two(256)
    assert list(ranges)[:3] == [(1, 1), (2, 2), (4, 4)]
    assert list(ranges)[-4:] == [(0x100, 256), (0x200, 256), (0x300, 256), (LAST_PAGE, 1)]
    assert ranges.joined() == before


def test_carve_leaves_the_rest_of_its_range():
    ranges = PageRanges([(0, 8), (100, 8), (200, 2)])
    assert ranges.carve(3) == 105
    assert list(ranges) == [(0, 8), (100, 5), (200, 2)]
    assert ranges.carve(5) == 100
    assert list(ranges) == [(0, 8), (200, 2)]
    assert ranges.carve(1) == 201
    assert list(ranges) == [(0, 8), (200, 1)]


def test_carve_at_the_top_of_the_number_space():
    ranges = PageRanges([(0, PAGE_NUMBERS)])
    assert ranges.carve(1) == LAST_PAGE
    assert ranges.carve(PAGE_NUMBERS - 1) == 0
    assert list(ranges) == []


def test_carve_without_room_reports_the_figures():
    ranges = PageRanges([(0, 4), (4, 4), (100, 2)])
    with pytest.raises(OutOfPages) as caught:
        ranges.carve(5)
    error = caught.value
    assert (error.requested, error.free, error.largest_free) == (5, 10, 4)
    assert error.page_size is None
    assert "bytes" not in str(error)
    assert "5 pages in one page range" in str(error)
    assert list(ranges) == [(0, 4), (4, 4), (100, 2)]
    assert PageRanges(ranges.joined()).carve(5) == 3
    with pytest.raises(OutOfPages) as caught:
        PageRanges().carve(1)
    assert (caught.value.free, caught.value.largest_free) == (0, 0)


@pytest.mark.parametrize(
    ("n_pages", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError)]
)
def test_carve_of_a_bad_number_changes_nothing(n_pages, error):
    ranges = PageRanges([(0, 4)])
    with pytest.raises(error, match="n_pages"):
        ranges.carve(n_pages)
    assert list(ranges) == [(0, 4)]


def test_containment_at_the_edges():
    ranges = PageRanges([(2, 2), (4, 1), (LAST_PAGE, 1)])
    assert [page for page in range(-1, 8) if page in ranges] == [2, 3, 4]
    assert LAST_PAGE in ranges
    assert LAST_PAGE - 1 not in ranges
    assert PAGE_NUMBERS not in ranges
    with pytest.raises(TypeError, match=r"a page is \(2, 2\), a tuple"):
        (2, 2) in ranges  # noqa: B015


def test_equality_and_repr():
    ranges = PageRanges([(4, 4), (0, 4)])
    assert ranges == PageRanges([(0, 4), (4, 4)])
    assert ranges != PageRanges([(0, 8)])
    assert ranges != [(0, 4), (4, 4)]
    assert repr(ranges) == "PageRanges([(0x0, 0x4), (0x4, 0x4)])"
    assert repr(PageRanges()) == "PageRanges([])"
    with pytest.raises(TypeError, match="unhashable"):
        hash(ranges)


@pytest.mark.parametrize(
    "copied",
    [PageRanges.copy, copy.copy, copy.deepcopy, lambda ranges: pickle.loads(pickle.dumps(ranges))],
    ids=["copy", "copy.copy", "deepcopy", "pickle"],
)
def test_a_copy_is_independent(copied):
    ranges = PageRanges([(0, 4), (4, 4)])
    other = copied(ranges)
    assert other == ranges
    other.remove(1, 1)
    assert list(ranges) == [(0, 4), (4, 4)]


def test_a_loop_over_ranges_may_change_them():
    ranges = PageRanges([(0, 4), (8, 4), (16, 4)])
    for first, n in ranges:
        ranges.remove(first, 1)
        ranges.add(first + n, 1)
    assert ranges.joined() == [(1, 4), (9, 4), (17, 4)]
