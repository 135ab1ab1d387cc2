"""The owner map: it must catch what an allocator could do wrong."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pagebuddy import PageRanges
from pagebuddy.tools.replaying import owners
from pagebuddy.tools.replaying.owners import OwnerMap

RANGES = PageRanges([(3, 10), (13, 20), (64, 64)])
TAKEN, GIVEN_BACK = True, False


def follow(spans, ranges=RANGES):
    owner_map = OwnerMap(ranges)
    kinds, pages, lengths = zip(*spans, strict=True)
    owner_map.follow(np.array(kinds), np.array(pages, "u8"), np.array(lengths))
    return owner_map


@pytest.mark.parametrize(
    ("spans", "faults", "n_owned"),
    [
        ([(TAKEN, 3, 10)], 0, 10),
        ([(TAKEN, 12, 2)], 0, 2),  # across two ranges that touch
        ([(TAKEN, 64, 64)], 0, 64),
        ([(TAKEN, 3, 2), (TAKEN, 5, 2)], 0, 4),
        ([(TAKEN, 3, 2), (TAKEN, 3, 2)], 2, 2),
        ([(TAKEN, 3, 2), (TAKEN, 4, 2)], 1, 3),
        ([(TAKEN, 64, 16), (TAKEN, 70, 1)], 1, 16),
        ([(TAKEN, 70, 1), (TAKEN, 64, 16)], 1, 16),
        ([(TAKEN, 3, 2), (GIVEN_BACK, 3, 2), (TAKEN, 4, 2)], 0, 2),
        ([(TAKEN, 3, 2), (TAKEN, 4, 2), (GIVEN_BACK, 3, 2)], 1, 1),
        ([(GIVEN_BACK, 3, 2)], 2, 0),
        ([(TAKEN, 0, 1)], 1, 0),
        ([(TAKEN, 33, 1)], 1, 0),
        ([(TAKEN, 32, 2)], 2, 0),
        ([(TAKEN, 128, 1)], 1, 0),
        ([(TAKEN, 2**64 - 2, 1)], 1, 0),
    ],
)
@pytest.mark.parametrize("at_once", [1, 3, 1 << 20])
def test_spans_one_after_the_other(monkeypatch, at_once, spans, faults, n_owned):
    monkeypatch.setattr(owners, "_PAGES_AT_ONCE", at_once)
    owner_map = follow(spans)
    assert (owner_map.faults, owner_map.n_owned) == (faults, n_owned)


@pytest.mark.parametrize(
    ("spans", "share"),
    [
        ([], 88 / 94),  # the blocks from 8, 16 and 24 on, and eight from 64 on
        ([(TAKEN, 3, 5)], 88 / 89),
        ([(TAKEN, 16, 1)], 80 / 93),
        ([(TAKEN, 23, 2), (TAKEN, 127, 1)], 64 / 91),
        ([(TAKEN, 64, 64), (TAKEN, 8, 25)], 0.0),
        ([(TAKEN, 3, 30), (TAKEN, 64, 64)], 1.0),  # nothing is free
    ],
)
def test_the_share_of_free_pages_in_whole_blocks(spans, share):
    assert follow([*spans, (TAKEN, 3, 0)]).share_in_blocks(8) == share


def test_no_ranges():
    assert follow([(TAKEN, 0, 3)], PageRanges()).faults == 3


@pytest.mark.parametrize("seed", range(20))
def test_as_page_by_page(monkeypatch, seed):
    monkeypatch.setattr(owners, "_PAGES_AT_ONCE", 40)
    chance = random.Random(seed)
    spans = []
    for _ in range(200):
        first = chance.randrange(64, 128)
        spans.append((chance.random() < 0.5, first, chance.randint(1, 128 - first)))
    owned, faults = set(), 0
    for taken, first, n in spans:
        pages = set(range(first, first + n))
        faults += len(pages & owned if taken else pages - owned)
        owned = owned | pages if taken else owned - pages
    owner_map = follow(spans)
    assert (owner_map.faults, owner_map.n_owned) == (faults, len(owned))
