"""The two fragmentation indices: known values, and their meaning."""

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy.allocator.stats import Stats


def stats_of(*free_blocks):
    free = sum(count << order for order, count in enumerate(free_blocks))
    return Stats(
        n_pages=free + 5,
        used=5,
        free=free,
        largest_free=0,
        free_blocks=free_blocks,
        n_spans=2,
    )


@pytest.mark.parametrize(
    ("free_blocks", "unusable"),
    [
        ((0, 0, 0, 1), (0.0, 0.0, 0.0, 0.0)),
        ((0, 0, 0, 0), (0.0, 0.0, 0.0, 0.0)),
        ((8, 0, 0, 0), (0.0, 1.0, 1.0, 1.0)),
        ((2, 1, 1, 0), (0.0, 0.25, 0.5, 1.0)),
        ((0, 0, 2, 1), (0.0, 0.0, 0.0, 0.5)),
        ((0,), (0.0,)),
        ((3,), (0.0,)),
    ],
)
def test_unusable_has_the_known_values(free_blocks, unusable):
    stats = stats_of(*free_blocks)
    assert tuple(stats.unusable(order) for order in range(len(free_blocks))) == unusable


@pytest.mark.parametrize(
    ("free_blocks", "fragmentation"),
    [
        ((0, 0, 0, 1), (-1.0, -1.0, -1.0, -1.0)),
        ((0, 0, 0, 0), (0.0, 0.0, 0.0, 0.0)),
        # Four single pages: enough for two blocks of order 1, one of order 2, half of one of order 3.
        ((4, 0, 0, 0), (-1.0, 0.25, 0.5, 0.625)),
        ((0, 0, 1, 0), (-1.0, -1.0, -1.0, -0.5)),
        ((1, 0, 0, 0), (-1.0, -0.5, -0.25, -0.125)),
        ((2, 1, 1, 0), (-1.0, -1.0, -1.0, 0.5)),
        ((0, 2, 0, 0), (-1.0, -1.0, 0.0, 0.25)),
    ],
)
def test_fragmentation_has_the_known_values(free_blocks, fragmentation):
    stats = stats_of(*free_blocks)
    assert tuple(stats.fragmentation(order) for order in range(len(free_blocks))) == fragmentation


def test_fragmentation_equals_the_kernels_value_for_1983_single_free_pages():
    stats = stats_of(1983, *[0] * 10)
    said = [-1.0, 0.5, 0.75, 0.875, 0.937, 0.969, 0.984, 0.992, 0.996, 0.998, 0.999]
    assert [stats.fragmentation(order) for order in range(11)] == pytest.approx(said, abs=0.001)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=32))
def test_the_indices_agree_with_their_definitions(free_blocks):
    stats = stats_of(*free_blocks)
    orders = range(stats.max_order + 1)
    unusable = [stats.unusable(order) for order in orders]
    assert unusable[0] == 0.0
    assert unusable == sorted(unusable)
    assert all(0.0 <= share <= 1.0 for share in unusable)
    n_blocks = sum(free_blocks)
    for order in orders:
        index = stats.fragmentation(order)
        would_serve = stats.free / (1 << order)
        if any(free_blocks[order:]):
            assert index == -1.0
        elif n_blocks == 0:
            assert index == 0.0
        else:
            assert unusable[order] == 1.0
            assert -0.5 <= index < 1.0
            assert index >= 0.0 or n_blocks == 1
            assert would_serve < 1 or index >= 0.5 - 0.5 / would_serve - 1e-9


@pytest.mark.parametrize("index", [Stats.unusable, Stats.fragmentation])
def test_a_wrong_order_is_refused(index):
    stats = stats_of(1, 2, 3)
    assert stats.max_order == 2
    for order, allowed in ((-1, "at least 0"), (3, "at most 2"), (64, "at most 2")):
        with pytest.raises(ValueError, match=f"order is {order}; it must be {allowed}"):
            index(stats, order)
    for order in (1.0, "1", None):
        with pytest.raises(TypeError, match="order is"):
            index(stats, order)
    assert index(stats, True) == index(stats, 1)


def test_stats_are_immutable():
    stats = stats_of(1, 2)
    with pytest.raises(AttributeError, match="cannot assign to 'free'"):
        stats.free = 0
    with pytest.raises(AttributeError, match="cannot delete 'free'"):
        del stats.free
    assert stats.free == 5
    assert not hasattr(stats, "__dict__")
    assert stats == stats_of(1, 2)
    assert stats != stats_of(2, 2)
    assert stats != (10, 5, 5, 0, (1, 2), 2)
    assert hash(stats) == hash(stats_of(1, 2))


def test_stats_can_be_printed_matched_copied_and_pickled():
    stats = stats_of(1, 2)
    shown = "Stats(n_pages=10, used=5, free=5, largest_free=0, free_blocks=(1, 2), n_spans=2)"
    assert repr(stats) == shown
    match stats:
        case Stats(n_pages, used, free_blocks=blocks):
            assert (n_pages, used, blocks) == (10, 5, (1, 2))
    for same in (copy.copy(stats), copy.deepcopy(stats), pickle.loads(pickle.dumps(stats))):
        assert same == stats
        assert type(same) is Stats


def test_stats_need_every_figure():
    with pytest.raises(TypeError, match="n_spans"):
        Stats(8, 4, 4, 1, (4, 0, 0, 0))


def test_as_dict_survives_json():
    figures = stats_of(2, 1, 1, 0).as_dict()
    assert figures == {
        "n_pages": 13,
        "used": 5,
        "free": 8,
        "largest_free": 0,
        "free_blocks": [2, 1, 1, 0],
        "n_spans": 2,
        "unusable": [0.0, 0.25, 0.5, 1.0],
        "fragmentation": [-1.0, -1.0, -1.0, 0.5],
    }
    assert json.loads(json.dumps(figures)) == figures
