"""Rows of cells, against a look at every page."""

from __future__ import annotations

import random
from contextlib import suppress

import numpy as np
import pytest

from pagebuddy import BuddyAllocator, OutOfPages, PageRanges
from pagebuddy.tools.pictures.grid import Fold, Hole, Row, grid
from pagebuddy.tools.pictures.layout import Layout


def some_layout(seed):
    chance = random.Random(seed)
    ranges, page = PageRanges(), chance.choice([0, 3, 2**63 - 64])
    for _ in range(chance.randint(1, 4)):
        page += chance.randrange(40)
        n = chance.choice([1, 5, 30, 200, 1000])
        ranges.add(page, n)
        page += n
    buddy = BuddyAllocator(ranges, max_order=chance.randrange(9))
    live = []
    for _ in range(chance.choice([0, 10, 100])):
        with suppress(OutOfPages):
            live.append(buddy.alloc(chance.randint(1, 12)))
        if live and chance.random() < 0.4:
            buddy.free(live.pop(chance.randrange(len(live))))
    return Layout.of(buddy, [(first, n, [chance.choice("abc")]) for first, n in buddy.spans()])


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize(("columns", "max_lines"), [(4, 100), (8, 10), (16, 3)])
def test_it_shows_each_page_once_and_as_it_is(seed, columns, max_lines):
    layout = some_layout(seed)
    blocks = zip(layout.free_first.tolist(), layout.free_order.tolist(), strict=True)
    free = {page: order for first, order in blocks for page in range(first, first + (1 << order))}
    spans = zip(layout.span_first, layout.span_n, layout.span_holder, strict=True)
    held = {page: holder for first, n, holder in spans for page in range(first, first + n)}
    drawn = grid(layout, columns=columns, max_lines=max_lines)
    cell, row = drawn.pages_per_cell, drawn.pages_per_cell * columns
    ranges = iter(layout.ranges)
    page, end = 0, 0
    for line in drawn.lines:
        if isinstance(line, Hole):
            page += line.n_pages
            assert page > end
        if page >= end:
            first, n = next(ranges)
            assert page in (0, first)
            page, end = first, first + n
        if isinstance(line, Fold):
            assert {free.get(page + i) for i in range(line.n_pages)} == {line.order}
            assert line.n_pages > row or page + line.n_pages == end
            page += line.n_pages
        if isinstance(line, Row):
            assert line.first == page
            base = page - page % row
            cells = [
                [p for p in range(base + i * cell, base + (i + 1) * cell) if page <= p < end]
                for i in range(columns)
            ]
            orders = [[free[p] for p in pages if p in free] for pages in cells]
            assert line.n_pages.tolist() == [len(pages) for pages in cells]
            assert line.n_free.tolist() == [len(inside) for inside in orders]
            assert line.free_block.tolist() == [max(inside, default=-1) for inside in orders]
            holders = [[held[p] for p in pages if p in held] for pages in cells]
            most = [
                max(inside, key=lambda i: (inside.count(i), -i), default=-1) for inside in holders
            ]
            assert line.holder.tolist() == most
            page = min(base + row, end)
    assert page == end
    assert next(ranges, None) is None
    assert len(drawn.lines) <= max(max_lines, 3 * len(layout.ranges))


def test_a_cell_is_as_small_as_the_lines_allow():
    buddy = BuddyAllocator(1 << 12, max_order=10)
    for _ in range(1 << 10):
        buddy.alloc(2)
        buddy.free(buddy.alloc(2))
    layout = Layout.of(buddy)
    for max_lines in (3, 7, 20):
        drawn = grid(layout, columns=8, max_lines=max_lines)
        assert len(drawn.lines) <= max_lines
        if drawn.pages_per_cell > 1:
            half = grid(layout, columns=8, max_lines=10**6)
            assert half.pages_per_cell < drawn.pages_per_cell


def test_what_is_free_throughout_is_folded():
    buddy = BuddyAllocator(PageRanges([(0, 1 << 22), (1 << 23, 1 << 20)]), max_order=10)
    for _ in range(100):
        buddy.alloc_order(9)
    drawn = grid(Layout.of(buddy), columns=64, max_lines=20)
    assert [type(line) for line in drawn.lines[-3:]] == [Hole, Row, Fold]
    assert sum(isinstance(line, Fold) for line in drawn.lines) == 2
    assert drawn.pages_per_cell <= 1024


def test_full_memory_is_drawn_in_full():
    layout = Layout.of(taken(BuddyAllocator(1 << 16)))
    drawn = grid(layout, columns=64, max_lines=20)
    assert all(isinstance(line, Row) for line in drawn.lines)
    assert sum(int(np.sum(line.n_pages)) for line in drawn.lines) == 1 << 16


def test_the_top_of_the_number_space():
    buddy = BuddyAllocator(PageRanges([(2**64 - 8, 8)]))
    buddy.alloc_at(2**64 - 2, 2)
    (row,) = grid(Layout.of(buddy), columns=8, max_lines=5).lines
    assert (row.first, row.n_free.tolist()) == (2**64 - 8, [1] * 6 + [0] * 2)


def taken(buddy):
    buddy.alloc(buddy.n_pages)
    return buddy
