"""Arithmetic of orders and sizes: tables of arguments and results."""

import pytest

from pagebuddy.allocator.geometry import largest_order
from pagebuddy.core import arith


@pytest.mark.parametrize(
    ("n", "order"),
    [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (1023, 10), (1024, 10), (1025, 11)],
)
def test_order_for_n_pages(n, order):
    assert arith.order_for(n) == order


@pytest.mark.parametrize("k", range(32))
def test_order_for_a_power_of_two_and_its_neighbours(k):
    assert arith.order_for(1 << k) == k
    assert arith.order_for((1 << k) + 1) == k + 1
    if k > 1:
        assert arith.order_for((1 << k) - 1) == k


@pytest.mark.parametrize(
    ("place", "n", "top", "order"),
    [
        (0, 1, 10, 0),
        (0, 7, 10, 2),
        (0, 1 << 12, 10, 10),
        (4, 100, 10, 2),
        (6, 100, 10, 1),
        (7, 100, 10, 0),
        (96, 31, 10, 4),
        (96, 32, 10, 5),
    ],
)
def test_largest_order_at_a_place(place, n, top, order):
    assert arith.order_from(place, n, top) == order


@pytest.mark.parametrize(
    ("place", "n", "aligned"),
    [(0, 1, True), (0, 1000, True), (1, 1, True), (1, 2, False), (4, 3, True), (4, 5, False)],
)
def test_aligned_to_the_next_power_of_two(place, n, aligned):
    assert arith.is_aligned(place, n) is aligned


@pytest.mark.parametrize(
    ("first", "n", "order"),
    [(0, 1, 0), (1, 1, 0), (0, 64, 6), (1, 64, 5), (1, 2, 0), (3, 6, 2), (2**64 - 1, 1, 0)],
)
def test_largest_block_within_a_range(first, n, order):
    assert largest_order(first, n) == order
