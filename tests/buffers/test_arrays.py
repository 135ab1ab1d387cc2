"""Arrays of an arena: shapes, dtypes, and what becomes of the pages when one is refused."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")


@pytest.fixture
def arena(Arena):
    return Arena("1 MiB")


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        (5, (5,)),
        (np.int64(5), (5,)),
        ((), ()),
        ((2, 3), (2, 3)),
        ([2, np.uint8(3)], (2, 3)),
        (range(2, 4), (2, 3)),
        ((3, 0, 2), (3, 0, 2)),
    ],
)
@pytest.mark.parametrize("dtype", ["u1", float, np.dtype("i4"), [("x", "i2"), ("y", "f8")]])
@pytest.mark.parametrize("order", ["C", "F"])
def test_shapes_are_those_of_numpy(arena, shape, sides, dtype, order):
    array = arena.empty(shape, dtype, order)
    expected = np.empty(sides, dtype, order)
    assert (array.shape, array.dtype) == (sides, expected.dtype)
    # Where there are no items, numpy itself has two opinions.
    assert array.size == 0 or array.strides == expected.strides
    assert arena.stats().used == max(-(-array.nbytes // 4096), 1)
    del array
    assert arena.stats().used == 0


@pytest.mark.parametrize(
    ("shape", "dtype", "error"),
    [
        (-1, "u1", ValueError),
        ((-2, -3), "u1", ValueError),
        ((2, -1), "u1", ValueError),
        (2.0, "u1", TypeError),
        ((2, 3.0), "u1", TypeError),
        ("5", "u1", TypeError),
        (None, "u1", TypeError),
        ((1 << 40, 1 << 40), "u1", ValueError),
        (5, object, TypeError),
        (5, [("x", "O")], TypeError),
        (5, "no dtype", TypeError),
        (2 << 20, "u1", MemoryError),
    ],
)
@pytest.mark.parametrize("make", ["empty", "zeros"])
def test_what_is_refused_takes_no_pages(arena, make, shape, dtype, error):
    with pytest.raises(error):
        getattr(arena, make)(shape, dtype)
    assert arena.stats().used == 0


def test_a_refused_order_gives_the_pages_back(arena):
    with pytest.raises(ValueError, match="order"):
        arena.empty(5, "u1", "Q")
    assert arena.stats().used == 0


def test_zeros_are_zero_where_something_was(arena):
    arena.full(100_000, 255, "u1")
    assert not arena.zeros(100_000, "u1").any()


def test_an_array_of_all_pages_needs_all_of_them(arena):
    kept = arena.empty(1 << 20, "u1")
    with pytest.raises(MemoryError):
        arena.empty(1, "u1")
    del kept
    assert arena.empty(1 << 20, "u1").nbytes == 1 << 20


def test_a_closed_arena_makes_no_arrays(arena):
    arena.close()
    with pytest.raises(ValueError, match="closed"):
        arena.empty(5)
