"""Memory as rows of cells. Used by `picture` (terminal) and `sheet` (files)."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.terminal.units import in_bytes

# A fold replaces more than two rows, because it takes a line itself.
_MIN_FOLD = 2
# Cells are not smaller than if this share of the memory filled the picture.
_FINEST = 1 / 64


class Row(NamedTuple):
    """A row of cells. `first` is its first page inside the range.

    For each cell: `n_pages` inside the range; `n_free` of them; `free_block`, the order of the largest
    free block that overlaps it, or -1; `holder`, the index in the layout's `holders` of the one that
    holds most of it, or -1.
    """

    first: int
    n_pages: array[int]
    n_free: array[int]
    free_block: array[int]
    holder: array[int]


class Fold(NamedTuple):
    """Rows left out because they equal the row before: all free, in blocks of one order."""

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
    """The text for a fold or a hole.

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

    Chooses the smallest cells, of a power of two of pages, that fit. Each range has at least one row, so
    many ranges may need more lines.

    >>> from pagebuddy import BuddyAllocator
    >>> buddy = BuddyAllocator(64, max_order=3)
    >>> page = buddy.alloc(36)
    >>> drawn = grid(Layout.of(buddy), columns=8, max_lines=4)
    >>> drawn.pages_per_cell, drawn.lines[2].n_free.tolist()
    (2, [0, 0, 2, 2, 2, 2, 2, 2])
    """
    smallest = int(layout.n_pages * _FINEST / (columns * max_lines))
    bits = max(smallest.bit_length() - 1, 0)
    # Only what is longer than a row can be folded.
    runs = [_runs(layout, first, n, columns << bits) for first, n in layout.ranges]
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


def _runs(layout: Layout, first: int, n: int, longer: int) -> list[tuple[int, int, int]]:
    """Where free blocks of one order follow one another on more pages than `longer`.

    Start and end, as offsets, and order.
    """
    runs: list[tuple[int, int, int]] = []
    start = end = 0
    last = -1
    for i in layout.blocks_in(first, first + n):
        offset, order = layout.free_first[i] - first, layout.free_order[i]
        if offset != end or order != last:
            if end - start > longer:
                runs.append((start, end, last))
            start, last = offset, order
        end = offset + (1 << order)
    if end - start > longer:
        runs.append((start, end, last))
    return runs


def _plan(first: int, n: int, length: int, runs: list[tuple[int, int, int]]) -> list[_Stretch]:
    """Which rows of a range to draw, and which to fold, if a row has this many pages."""
    base = first // length
    shift = first - base * length
    plan: list[_Stretch] = []
    done = base
    for start, end, order in runs:
        # A row at the range's edge may lie outside it in part and still show nothing new.
        row = (start + shift) // length if start == 0 else -(-(start + shift) // length)
        row_end = -(-(end + shift) // length) if end == n else (end + shift) // length
        if row_end - row > _MIN_FOLD:
            # The first of them is drawn, to show what the others look like.
            fold, fold_end = base + row + 1, base + row_end
            plan += [_Stretch(done, fold), _Stretch(fold, fold_end, order)]
            done = fold_end
    last = -(-(first + n) // length)
    return [*plan, _Stretch(done, last)] if done < last else plan


def _n_lines(stretch: _Stretch) -> int:
    return 1 if stretch.order >= 0 else stretch.stop - stretch.start


def _lines(layout: Layout, columns: int, bits: int, plan: list[list[_Stretch]]) -> Iterator[Line]:
    length = columns << bits
    end = None
    for (first, n), stretches in zip(layout.ranges, plan, strict=True):
        if end is not None:
            yield Hole(first - end)
        end = first + n
        for start, stop, order in stretches:
            if order >= 0:
                yield Fold(min(stop * length, end) - max(start * length, first), order)
            else:
                for base in range(start * length, stop * length, length):
                    low, high = max(base, first), min(base + length, end)
                    yield _row(layout, columns, bits, base, low, high)


def _row(layout: Layout, columns: int, bits: int, base: int, low: int, high: int) -> Row:
    """The row from page `base` on, of which the pages from `low` to before `high` are there."""
    edges = [min(max(base + (i << bits), low), high) for i in range(columns + 1)]
    n_pages = array("Q", [end - start for start, end in pairwise(edges)])
    n_free = array("Q", [0]) * columns
    largest = array("b", [-1]) * columns
    for i in layout.blocks_in(low, high):
        order = layout.free_order[i]
        # A block and a cell or row that overlap lie one inside the other: aligned powers of two.
        cell = max(layout.free_first[i] - base, 0) >> bits
        for covered in range(cell, min(cell + max((1 << order) >> bits, 1), columns)):
            n_free[covered] += min(1 << order, 1 << bits)
            largest[covered] = max(largest[covered], order)
    # Rows read while others were at work may tell of more than there is.
    n_free = array("Q", map(min, n_free, n_pages))
    return Row(low, n_pages, n_free, largest, _holders(layout, columns, bits, base, low, high))


def _holders(layout: Layout, columns: int, bits: int, base: int, low: int, high: int) -> array[int]:
    """The holder of most of each cell; if equal, the one that holds more in total."""
    most = array("l", [-1]) * columns
    if not layout.holders:
        return most
    held: list[Counter[int]] = [Counter() for _ in range(columns)]
    for i in layout.spans_in(low, high):
        start = max(layout.span_first[i], low)
        end = min(layout.span_first[i] + layout.span_n[i], high)
        for cell in range((start - base) >> bits, ((end - 1 - base) >> bits) + 1):
            edge = base + (cell << bits)
            inside = min(end, edge + (1 << bits)) - max(start, edge)
            held[cell][layout.span_holder[i]] += inside
    for cell, pages in enumerate(held):
        if pages:
            most[cell] = min(pages, key=lambda holder: (-pages[holder], holder))
    return most
