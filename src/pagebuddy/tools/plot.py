"""Memory as a picture in a file, by matplotlib: SVG, PNG or PDF."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pagebuddy.tools.grid import Line, Row, describe, grid
from pagebuddy.tools.layout import Layout
from pagebuddy.tools.palette import USED, order_colours
from pagebuddy.tools.units import counted, in_bytes, in_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS, _MAX_LINES = 128, 60
_PAPER, _INK, _FAINT = "#fcfbf8", "#22262b", "#626a74"
_SANS, _MONO = "DejaVu Sans", "DejaVu Sans Mono"  # matplotlib brings both

# Everything is placed in inches from the upper left corner.
_MARGIN = 0.3
_BODY_LEFT, _BODY_TOP = 1.2, 0.95
_CELL = 0.052
_LOWEST_ROW, _HIGHEST_ROW = 0.075, 0.3
_ROW_FILLED = 0.9  # rows stand apart a little, so that the eye can follow one
_NOTE = 0.19  # a line that tells of a hole or a fold
_LABELS_APART = 0.125
_KEY_WIDTH, _KEY_ROW = 2.6, 0.2

Box = tuple[float, float, float, float, str]
"""left, top, width, height, colour"""


def check_name(path: str | os.PathLike[str]) -> Path:
    """The path, if a picture can be written to a file of this name, else `ValueError`.

    >>> check_name("memory.txt")
    Traceback (most recent call last):
        ...
    ValueError: cannot draw memory.txt: the name of a picture ends in .svg, .png or .pdf
    """
    path = Path(path)
    if path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise ValueError(f"cannot draw {path}: the name of a picture ends in .svg, .png or .pdf")
    return path


def draw(layout: Layout, path: str | os.PathLike[str], *, title: str) -> None:
    """Draw a layout into a file; what its name ends in tells the format. Needs matplotlib.

    Each cell is a group of pages: grey from below as far as they are used, above in the colour of
    the largest free block there. Rows follow one another by address; where many would look the
    same, one stands for them. Raises `ValueError` for another kind of file, `OSError` where it
    cannot be written.
    """
    path = check_name(path)

    import matplotlib as mpl
    from matplotlib.figure import Figure

    drawn = grid(layout, columns=_COLUMNS, max_lines=_MAX_LINES)
    key = (layout.top_order + 3.5) * _KEY_ROW
    n_rows = sum(isinstance(line, Row) for line in drawn.lines)
    # Few rows fill the height of the key.
    row = (key - (len(drawn.lines) - n_rows) * _NOTE) / n_rows if n_rows else 0
    row = min(max(row, _LOWEST_ROW), _HIGHEST_ROW)
    heights = [row if isinstance(line, Row) else _NOTE for line in drawn.lines]
    width = _BODY_LEFT + _COLUMNS * _CELL + _KEY_WIDTH
    height = _BODY_TOP + max(sum(heights), key) + _MARGIN
    # The same layout gives the same bytes: no date, no random names.
    with mpl.rc_context({"font.family": _SANS, "svg.hashsalt": "pagebuddy"}):
        figure = Figure(figsize=(width, height), facecolor=_PAPER)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        _head(axes, layout, drawn.pages_per_cell, title)
        _body(axes, layout, drawn.lines, np.cumsum([_BODY_TOP, *heights]).tolist())
        _key(axes, layout, width - _KEY_WIDTH + _MARGIN)
        undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        figure.savefig(path, dpi=160, metadata=undated.get(path.suffix.lower()))


def _head(axes: Axes, layout: Layout, cell: int, title: str) -> None:
    size = layout.page_size
    told = (
        f"each cell is {counted(cell, 'page')} ({in_bytes(cell * size)}), "
        f"grey as far as it is used; each row {in_bytes(cell * _COLUMNS * size)}"
    )
    _text(axes, _MARGIN, 0.36, title, _INK, 12, weight="bold")
    _text(axes, _MARGIN, 0.64, told, _FAINT, 8.5)


def _body(axes: Axes, layout: Layout, lines: list[Line], edges: list[float]) -> None:
    """The rows with their addresses, and notes for what lies between."""
    from matplotlib.collections import PolyCollection

    colours = order_colours(layout.top_order)
    boxes: list[Box] = []
    starts: list[tuple[float, int]] = []
    others: list[tuple[float, int]] = []
    for i, (line, (top, bottom)) in enumerate(zip(lines, pairwise(edges), strict=True)):
        middle = (top + bottom) / 2
        if isinstance(line, Row):
            boxes += _boxes(line, top, (bottom - top) * _ROW_FILLED, colours)
            is_start = i == 0 or not isinstance(lines[i - 1], Row)
            (starts if is_start else others).append((middle, line.first * layout.page_size))
        else:
            note = describe(line, layout.page_size)
            _text(axes, _BODY_LEFT, middle, note, _FAINT, 7.5, style="italic")
    corners = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h, _ in boxes]
    fills = [colour for *_, colour in boxes]
    axes.add_collection(PolyCollection(corners, facecolors=fills, linewidths=0), autolim=False)

    # Where rows begin anew the address is always told, elsewhere if there is room.
    placed: list[float] = []
    for middle, address in [*starts, *others]:
        if all(abs(middle - other) >= _LABELS_APART for other in placed):
            placed.append(middle)
            left = _BODY_LEFT - 0.08
            _text(axes, left, middle, f"{address:#x}", _INK, 6.5, family=_MONO, ha="right")


def _boxes(row: Row, top: float, height: float, colours: list[str]) -> Iterator[Box]:
    """A row's boxes: the colours of free blocks first, over them what is used, from below."""
    for start, stop, order in _alike(row.free_block):
        if order >= 0:
            left = _BODY_LEFT + start * _CELL
            yield left, top, (stop - start) * _CELL, height, colours[order]
    used = (row.n_pages - row.n_free) / np.maximum(row.n_pages, 1)
    # By hundredths: fewer boxes, and the eye cannot tell.
    for start, stop, percent in _alike(np.ceil(used * 100).astype(np.int64)):
        if percent:
            left, part = _BODY_LEFT + start * _CELL, height * percent / 100
            yield left, top + height - part, (stop - start) * _CELL, part, USED


def _alike(cells: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Runs of equal cells: the first, the one behind the last, and what they are."""
    edges = [0, *(np.flatnonzero(np.diff(cells)) + 1).tolist(), cells.size]
    return [(start, stop, int(cells[start])) for start, stop in pairwise(edges)]


def _key(axes: Axes, layout: Layout, left: float) -> None:
    """What the colours mean, and how much there is of each."""
    size = layout.page_size
    used = layout.n_pages - layout.n_free
    share = in_percent(used / max(layout.n_pages, 1))
    middle = _BODY_TOP + _KEY_ROW / 2
    _entry(axes, left, middle, USED, ("used", in_bytes(used * size), share))
    middle += 1.5 * _KEY_ROW
    _entry(axes, left, middle, None, ("free, by order", "block", "blocks"))
    blocks = zip(order_colours(layout.top_order), layout.n_blocks.tolist(), strict=True)
    for order, (colour, count) in enumerate(blocks):
        middle += _KEY_ROW
        _entry(axes, left, middle, colour, (f"{order}", in_bytes(size << order), f"{count:,}"))


def _entry(
    axes: Axes, left: float, middle: float, colour: str | None, words: tuple[str, str, str]
) -> None:
    """A line of the key: a swatch, then three columns, of which two end where the heads end."""
    from matplotlib.patches import Rectangle

    ink = _INK if colour else _FAINT
    if colour:
        swatch = Rectangle((left, middle - 0.065), 0.2, 0.13, facecolor=colour, linewidth=0)
        axes.add_artist(swatch)
    _text(axes, left + (0.3 if colour else 0), middle, words[0], ink, 8.5)
    _text(axes, left + 1.45, middle, words[1], ink, 8.5, ha="right")
    _text(axes, left + 2.0, middle, words[2], ink, 8.5, ha="right")


def _text(
    axes: Axes,
    x: float,
    y: float,
    words: str,
    colour: str,
    size: float,
    *,
    ha: str = "left",
    family: str = _SANS,
    weight: str = "normal",
    style: str = "normal",
) -> None:
    # A name may hold a dollar sign: it is no formula.
    axes.text(
        x,
        y,
        words,
        color=colour,
        size=size,
        ha=ha,
        va="center_baseline",
        family=family,
        weight=weight,
        style=style,
        parse_math=False,
    )
