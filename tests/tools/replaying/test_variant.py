"""From sizes to pages, and to what the engine runs."""

from __future__ import annotations

import numpy as np
import pytest

from pagebuddy import PageRanges
from pagebuddy.tools.replaying.variant import Policy, Variant
from pagebuddy.tools.traces.events import Unit

EMPTY = PageRanges()
BLOCK = 1 << 31

# bytes, pages of 4 KiB, pages as a block, what the engine is told for each
SIZES = [
    (0, 0, 0, 0, 0),
    (1, 1, 1, 1, BLOCK),
    (4096, 1, 1, 1, BLOCK),
    (4097, 2, 2, 2, BLOCK + 1),
    (3 * 4096, 3, 4, 3, BLOCK + 2),
    (4 * 4096, 4, 4, 4, BLOCK + 2),
    (4 * 4096 + 1, 5, 8, 5, BLOCK + 3),
    (4096 << 20, 1 << 20, 1 << 20, 1 << 20, BLOCK + 20),
    ((4096 << 20) + 1, (1 << 20) + 1, 1 << 21, (1 << 20) + 1, BLOCK + 21),
    (1 << 61, BLOCK - 1, BLOCK, BLOCK - 1, BLOCK + 31),
]


@pytest.mark.parametrize(("n_bytes", "exact", "block", "told", "told_block"), SIZES)
def test_sizes(n_bytes, exact, block, told, told_block):
    for policy, pages, what in ((Policy.EXACT, exact, told), (Policy.BLOCKS, block, told_block)):
        variant = Variant(EMPTY, policy=policy)
        n_pages = variant.pages_for(np.array([n_bytes, n_bytes]))
        assert n_pages.tolist() == [pages, pages]
        is_alloc, slot = np.array([True, False]), np.array([7, 7])
        assert variant.encoded(is_alloc, slot, n_pages).tolist() == [what << 32 | 7, 7]


@pytest.mark.parametrize("page_size", [1, 512, 65536, 1 << 30])
def test_other_pages(page_size):
    sizes = np.array([page_size - 1, page_size, page_size + 1, 5 * page_size])
    exact = Variant(EMPTY, page_size, policy=Policy.EXACT).pages_for(sizes).tolist()
    assert exact == [1 if page_size > 1 else 0, 1, 2, 5]


@pytest.mark.parametrize(
    ("unit", "max_order", "policy"),
    [(Unit.ORDERS, 10, Policy.BLOCKS), (Unit.BYTES, None, Policy.EXACT)],
)
def test_what_is_not_given_is_as_recorded(unit, max_order, policy):
    assert Variant(EMPTY).settled(unit) == Variant(EMPTY, 4096, max_order, policy)
    given = Variant(EMPTY, 512, 3, Policy.EXACT)
    assert given.settled(unit) == given
