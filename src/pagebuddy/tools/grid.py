"""Memory as rows of cells: what the pictures in a terminal and in a file have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagebuddy.tools.layout import Layout
from pagebuddy.tools.units import in_bytes

# A fold stands for two rows at least: it takes the place of one itself.
_MIN_FOLD = 2
# However little of the memory is of interest, cells are no finer than this share of it calls for.
_FINEST = 1 / 64


class Row(NamedTuple):
    """A row of cells. `first` is its first page that is in the range.

    For each cell: `n_pages` of it inside the range, `n_free` of them, and the order of the largest
    `free_block` that lies in it or that it lies in, -1 where nothing is free.
    """

    first: int
    n_pages: NDArray[np.int64]
    n_free: NDArray[np.int64]
    free_block: NDArray[np.int64]


class Fold(NamedTuple):
    """Rows left out because they look like the row before: all free, in blocks of one order."""

    n_pages: int
    order: int


class Hole(NamedTuple):
    """Page numbers between two ranges."""

    n_pages: int


Line = Row | Fold | Hole


class Grid(NamedTuple):
    """Rows from top to bottom by address; a row begins at a multiple of its length."""

    pages_per_cell: int
    columns: int
    lines: list[Line]


def describe(line: Fold | Hole, page_size: int) -> str:
    """What to write where no row is drawn.

    >>> describe(Hole(97), 4096), describe(Fold(512, 8), 4096)
    ('hole of 388 KiB', 'and 2 MiB more, free in blocks of order 8')
    """
    size = in_bytes(line.n_pages * page_size)
    if isinstance(line, Hole):
        return f"hole of {size}"
    return f"and {size} more, free in blocks of order {line.order}"


class _Stretch(NamedTuple):
    """Rows of one range by number: row r has the pages from r times a row's length on.

    They are folded if `order` is not negative.
    """

    start: int
    stop: int
    order: int = -1


def grid(layout: Layout, *, columns: int, max_lines: int) -> Grid:
    """Lay out memory in rows of `columns` cells, a power of two, on at most `max_lines` lines.

    A cell is the smallest power of two of pages for which that can be. Each range has a row at
    least, so with many ranges there are more lines.

    >>> from pagebuddy import BuddyAllocator
    >>> buddy = BuddyAllocator(64, max_order=3)
    >>> page = buddy.alloc(36)
    >>> drawn = grid(Layout.of(buddy), columns=8, max_lines=4)
    >>> drawn.pages_per_cell, drawn.lines[2].n_free.tolist()
    (2, [0, 0, 2, 2, 2, 2, 2, 2])
    """
    runs = [_runs(layout, first, n) for first, n in layout.ranges]
    smallest = layout.n_pages * _FINEST / (columns * max_lines)
    bits = max(int(smallest).bit_length() - 1, 0)
    while True:
        length = columns << bits
        plan = [
            _plan(first, n, length, runs_here)
            for (first, n), runs_here in zip(layout.ranges, runs, strict=True)
        ]
        n_lines = sum(_n_lines(stretch) for stretches in plan for stretch in stretches)
        n_lines += max(len(plan) - 1, 0)
        if n_lines <= max_lines or all(n <= length for _, n in layout.ranges):
            return Grid(1 << bits, columns, list(_lines(layout, columns, bits, plan)))
        bits += 1


def _runs(layout: Layout, first: int, n: int) -> NDArray[np.int64]:
    """Where free blocks of one order follow one another: start and end, as offsets, and order."""
    offset, order = layout.within(first, first + n)
    end = offset + (1 << order)
    breaks = np.flatnonzero((end[:-1] != offset[1:]) | (order[:-1] != order[1:]))
    start = np.concatenate(([0], breaks + 1))[: offset.size]
    stop = np.concatenate((breaks, [offset.size - 1]))[: offset.size]
    return np.stack((offset[start], end[stop], order[start]), axis=1)


def _plan(first: int, n: int, length: int, runs: NDArray[np.int64]) -> list[_Stretch]:
    """Which rows of a range to draw, and which to fold, if a row has this many pages."""
    base = first // length
    shift = first - base * length
    start, end = runs[:, 0] + shift, runs[:, 1] + shift
    # A row at the range's edge may lie outside it in part and still show nothing new.
    row = np.where(runs[:, 0] == 0, start // length, -(-start // length))
    row_end = np.where(runs[:, 1] == n, -(-end // length), end // length)
    plan: list[_Stretch] = []
    done = base
    for i in np.flatnonzero(row_end - row > _MIN_FOLD).tolist():
        # The first of them is drawn, to show what the others look like.
        fold = base + int(row[i]) + 1
        fold_end = base + int(row_end[i])
        plan += [_Stretch(done, fold), _Stretch(fold, fold_end, int(runs[i, 2]))]
        done = fold_end
    last = -(-(first + n) // length)
    return [*plan, _Stretch(done, last)] if done < last else plan


def _n_lines(stretch: _Stretch) -> int:
    return 1 if stretch.order >= 0 else stretch.stop - stretch.start


def _lines(layout: Layout, columns: int, bits: int, plan: list[list[_Stretch]]) -> Iterator[Line]:
    length = columns << bits
    last = None
    for (first, n), stretches in zip(layout.ranges, plan, strict=True):
        if last is not None:
            yield Hole(first - last)
        last = first + n
        for start, stop, order in stretches:
            low, high = max(start * length, first), min(stop * length, last)
            if order >= 0:
                yield Fold(high - low, order)
            else:
                yield from _rows(layout, columns, bits, start * length, low, high)


def _rows(layout: Layout, columns: int, bits: int, base: int, low: int, high: int) -> Iterator[Row]:
    """The rows from page `base` on, in which the pages from `low` to before `high` are.

    A block and a cell that overlap lie one inside the other: both are aligned powers of two.
    """
    n_rows = -(-(high - base) // (columns << bits))
    edges = np.arange(n_rows * columns + 1) << bits
    n_pages = np.diff(np.clip(edges, low - base, high - base))
    n_free = np.zeros(n_pages.size, np.int64)
    largest = np.full(n_pages.size, -1)

    offset, order = layout.within(low, high)
    cell = (offset + (low - base)) >> bits
    small = order <= bits
    np.add.at(n_free, cell[small], 1 << order[small])
    np.maximum.at(largest, cell[small], order[small])
    for i in np.flatnonzero(~small).tolist():
        covered = slice(cell[i], cell[i] + (1 << (order[i] - bits)))
        n_free[covered] = 1 << bits
        largest[covered] = order[i]

    for i in range(n_rows):
        cells = slice(i * columns, (i + 1) * columns)
        start = max(base + i * (columns << bits), low)
        yield Row(start, n_pages[cells], n_free[cells], largest[cells])
