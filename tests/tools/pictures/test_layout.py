"""How memory lies, from an allocator and from plain rows."""

from __future__ import annotations

import random

import pytest

from pagebuddy import PageRanges
from pagebuddy.tools.pictures.layout import NOBODY, SEVERAL, Layout


def rows(free_blocks, spans):
    return Layout.from_rows([(0, 64)], free_blocks, spans, page_size=4096, max_order=6)


def test_plain_rows_in_any_order():
    layout = rows([(32, 5), (8, 3)], [(16, 16, ["b"]), (0, 5, ["a"]), (5, 3, ["a"])])
    assert layout.free_first.tolist() == [8, 32]
    assert layout.free_order.tolist() == [3, 5]
    assert layout.span_first.tolist() == [0, 5, 16]
    assert layout.holders == ("b", "a")
    assert layout.span_holder.tolist() == [1, 1, 0]
    assert layout.held == [(1, 16), (2, 8)]
    assert (layout.n_pages, layout.n_free) == (64, 40)


@pytest.mark.parametrize(
    ("told", "holders"),
    [
        ([[], []], ()),
        ([["a"], []], ("a", NOBODY)),
        ([["a", "b"], ["b", "a", "c"]], (SEVERAL,)),
        ([[17], ["17"]], ("17",)),
    ],
)
def test_who_holds_what(told, holders):
    layout = rows([], [(first, 32, names) for first, names in zip((0, 32), told, strict=True)])
    assert layout.holders == holders
    assert sum(n for _, n in layout.held) == (64 if holders else 0)


@pytest.mark.parametrize("seed", range(20))
def test_blocks_and_spans_in_a_window(Buddy, seed):
    chance = random.Random(seed)
    buddy = Buddy(PageRanges([(3, 100), (128, 200), (2**64 - 64, 64)]), max_order=6)
    live = [buddy.alloc(chance.randint(1, 9)) for _ in range(40)]
    for page in chance.sample(live, 20):
        buddy.free(page)
    layout = Layout.of(buddy)
    assert layout.holders == ()
    blocks = [(first, 1 << order) for first, order in buddy.free_blocks()]
    for _ in range(30):
        low = chance.choice([chance.randrange(340), 2**64 - chance.randint(1, 64)])
        high = min(low + chance.randint(1, 80), 2**64)
        for window, pieces, first in (
            (layout.blocks_in(low, high), blocks, layout.free_first),
            (layout.spans_in(low, high), list(buddy.spans()), layout.span_first),
        ):
            inside = [page for page, n in pieces if page < high and page + n > low]
            assert [first[i] for i in window] == inside
