"""Memory as a drawing: rows of cells with addresses, and a key. Used by `plot` and `notebook`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import TypeVar

from pagebuddy.tools.pictures.drawing import (
    MONO_WIDTH,
    USUAL_WIDTH,
    Box,
    Drawing,
    Words,
    check_width,
    letters,
)
from pagebuddy.tools.pictures.grid import Grid, Line, Row, describe, grid
from pagebuddy.tools.pictures.key import KEY_WIDTH, draw_key, key_height
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import USED, holder_colour, order_colours
from pagebuddy.tools.terminal.units import counted, in_bytes

_T = TypeVar("_T")

_MARGIN, _GAP = 14.0, 26.0
_KEY_BESIDE = 640.0  # on a sheet narrower than this the key goes below
_MAX_COLUMNS, _MAX_LINES = 128, 60
_NARROWEST_CELL = 2.9
_LOWEST_ROW, _HIGHEST_ROW = 8.0, 24.0
_ROW_FILLED = 0.88  # the rest is a gap between rows
_NOTE, _NOTE_SIZE = 19.0, 10.5  # the line of a hole or a fold
_ADDRESS, _LABELS_APART = 9.5, 13.0


def sheet(
    layout: Layout, *, title: str, by_holder: bool = False, width: float = USUAL_WIDTH
) -> Drawing:
    """Draw a layout `width` pixels wide, at least 320.

    Each cell is a group of pages. Its used share is grey, from below; above is the colour of the largest
    free block. By holder, the used share has the colour of the main holder. Equal rows are folded.
    Raises `ValueError` for a small width.

    >>> from pagebuddy import BuddyAllocator
    >>> drawing = sheet(Layout.of(BuddyAllocator(64)), title="Memory")
    >>> drawing.width, [words.text for words in drawing.words][:1]
    (860.0, ['Memory'])
    """
    check_width(width)
    drawing = Drawing(title, width)
    end = max((first + n for first, n in layout.ranges), default=1)
    digits = len(f"{(end - 1) * layout.page_size:#x}")
    left = _MARGIN + digits * MONO_WIDTH * _ADDRESS + 6
    beside = width >= _KEY_BESIDE
    room = width - left - _MARGIN - (KEY_WIDTH + _GAP if beside else 0)
    columns = _MAX_COLUMNS
    longest = max((n for _, n in layout.ranges), default=0)
    while columns > 8 and (room / columns < _NARROWEST_CELL or 2 * longest <= columns):
        columns //= 2
    drawn = grid(layout, columns=columns, max_lines=_MAX_LINES)
    top = drawing.heading(_MARGIN, _told(drawn, layout.page_size, by_holder))

    key = key_height(layout, by_holder=by_holder)
    edges = [top, *_bottoms(drawn.lines, top, key if beside else 0)]
    _draw_rows(drawing, layout, drawn, edges, left, room / columns, by_holder)
    key_left, key_top = (width - KEY_WIDTH - _MARGIN, top) if beside else (left, edges[-1] + _GAP)
    key_left = min(key_left, width - KEY_WIDTH - _MARGIN)
    draw_key(drawing, layout, by_holder=by_holder, left=key_left, top=key_top)
    drawing.height = max(edges[-1], key_top + key) + _MARGIN
    return drawing


def _told(drawn: Grid, page_size: int, by_holder: bool) -> str:
    cell = drawn.pages_per_cell
    filled = (
        "its used share is filled, in the colour of the main holder"
        if by_holder
        else "its used share is grey, the rest has the colour of the largest free block"
    )
    return (
        f"each cell is {counted(cell, 'page')} ({in_bytes(cell * page_size)}), each row "
        f"{in_bytes(cell * drawn.columns * page_size)}; {filled}"
    )


def _bottoms(lines: list[Line], top: float, key: float) -> Iterator[float]:
    """The lower edge of each line. Few rows are stretched to the height of the key."""
    n_rows = sum(isinstance(line, Row) for line in lines)
    row = (key - (len(lines) - n_rows) * _NOTE) / n_rows if n_rows else 0
    row = min(max(row, _LOWEST_ROW), _HIGHEST_ROW)
    for line in lines:
        top += row if isinstance(line, Row) else _NOTE
        yield top


def _draw_rows(
    drawing: Drawing,
    layout: Layout,
    drawn: Grid,
    edges: list[float],
    left: float,
    cell: float,
    by_holder: bool,
) -> None:
    """Draw the rows with their addresses, and the lines of folds and holes."""
    colours = None if by_holder else order_colours(layout.top_order)
    free: list[Box] = []
    used: list[Box] = []
    starts: list[tuple[float, int]] = []
    others: list[tuple[float, int]] = []
    for i, (line, (top, bottom)) in enumerate(zip(drawn.lines, pairwise(edges), strict=True)):
        middle = (top + bottom) / 2
        if isinstance(line, Row):
            height = (bottom - top) * _ROW_FILLED
            free += free_boxes(line, left, top, cell, height, colours)
            used += used_boxes(line, left, top, cell, height, by_holder)
            is_start = i == 0 or not isinstance(drawn.lines[i - 1], Row)
            (starts if is_start else others).append((middle, line.first * layout.page_size))
        else:
            note = describe(line, layout.page_size)
            fits = len(note) <= letters(drawing.width - _MARGIN - left, _NOTE_SIZE)
            x = left if fits else _MARGIN
            drawing.words.append(Words(x, middle, note, _NOTE_SIZE, "faint"))
    # Used over free; boxes sorted by colour make a smaller file.
    for boxes in (free, used):
        drawing.boxes += sorted(boxes, key=lambda box: box.fill)

    # The first row after a fold or hole always has an address, other rows if there is room.
    placed: list[float] = []
    for middle, address in [*starts, *others]:
        if all(abs(middle - other) >= _LABELS_APART for other in placed):
            placed.append(middle)
            label = Words(left - 6, middle, f"{address:#x}", _ADDRESS, "faint", "end", mono=True)
            drawing.words.append(label)


def free_boxes(
    row: Row, left: float, top: float, cell: float, height: float, colours: list[str] | None
) -> Iterator[Box]:
    """Boxes of full height for cells with free pages, in the colour of the largest block if given."""
    orders = row.free_block if colours else [min(order, 0) for order in row.free_block]
    for start, stop, order in alike(orders):
        if order >= 0:
            fill = colours[order] if colours else "quiet"
            yield Box(left + start * cell, top, (stop - start) * cell, height, fill)


def used_boxes(
    row: Row, left: float, top: float, cell: float, height: float, by_holder: bool
) -> Iterator[Box]:
    """Boxes for the used share of each cell, from below."""
    # Rounded to percent, which gives fewer boxes and is not visible.
    percents = [
        -(-100 * (n - free) // n) if n else 0
        for n, free in zip(row.n_pages, row.n_free, strict=True)
    ]
    holders = row.holder if by_holder else [-1] * len(percents)
    for start, stop, (percent, holder) in alike(zip(percents, holders, strict=True)):
        if percent:
            part = height * percent / 100
            fill = holder_colour(holder) if by_holder else USED
            x, wide = left + start * cell, (stop - start) * cell
            yield Box(x, top + height - part, wide, part, fill)


def alike(cells: Iterable[_T]) -> Iterator[tuple[int, int, _T]]:
    """Runs of equal cells: start, end, and their value."""
    start = 0
    for cell, group in groupby(cells):
        stop = start + sum(1 for _ in group)
        yield start, stop, cell
        start = stop
