"""The key of a drawing of memory: the meaning of the colours, and sizes. Used by `sheet`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pagebuddy.tools.pictures.drawing import Box, Drawing, Words, letters, shortened
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import N_HOLDERS, USED, holder_colour, order_colours
from pagebuddy.tools.terminal.units import in_bytes, in_percent

KEY_WIDTH = 290.0
KEY_ROW = 17.0
_SIZE = 11.5
_SWATCH = 24.0
# The right edges of the columns; a bar, or else the first column, gets the remaining width.
_SECOND, _THIRD, _BAR = 152.0, 202.0, 214.0
_NO_BAR = KEY_WIDTH - _THIRD


class Entry(NamedTuple):
    """A line of the key: a colour if it has one, three columns, and the length of a bar, 0 to 1.

    A bar of None means no room for a bar, because the line has a name, which may be long.
    """

    fill: str | None
    cells: tuple[str, str, str]
    bar: float | None = 0.0


def entries(layout: Layout, *, by_holder: bool) -> Iterator[Entry | None]:
    """The lines of the key from top to bottom; None is a gap."""
    size = layout.page_size
    used = layout.n_pages - layout.n_free
    named = by_holder and layout.holders
    if named:
        yield from _holders(layout)
        yield None
    else:
        yield Entry(USED, ("used", in_bytes(used * size), _share(used, layout.n_pages)))
    free = ("free", in_bytes(layout.n_free * size), _share(layout.n_free, layout.n_pages))
    yield Entry("quiet" if by_holder else None, free, None if named else 0.0)
    yield None
    yield Entry(None, ("free, by order", "block", "blocks"))
    counts = layout.n_blocks.tolist()
    most = max((count << order for order, count in enumerate(counts)), default=0)
    colours = order_colours(layout.top_order)
    for order, count in enumerate(counts):
        colour = "faint" if by_holder else colours[order]
        cells = (f"{order}", in_bytes(size << order), f"{count:,}")
        yield Entry(colour, cells, (count << order) / max(most, 1))


def _holders(layout: Layout) -> Iterator[Entry]:
    yield Entry(None, ("used, by holder", "size", "spans"), None)
    held = layout.held
    for i, (name, (spans, pages)) in enumerate(zip(layout.holders, held, strict=True)):
        if i < N_HOLDERS:
            size = in_bytes(pages * layout.page_size)
            yield Entry(holder_colour(i), (name, size, f"{spans:,}"), None)
    if others := held[N_HOLDERS:]:
        size = in_bytes(sum(pages for _, pages in others) * layout.page_size)
        spans = sum(spans for spans, _ in others)
        cells = (f"{len(others)} others", size, f"{spans:,}")
        yield Entry(holder_colour(N_HOLDERS), cells, None)


def _share(part: int, whole: int) -> str:
    return in_percent(part / max(whole, 1))


def key_height(layout: Layout, *, by_holder: bool) -> float:
    """The height of the key in pixels."""
    return sum(KEY_ROW if entry else KEY_ROW / 2 for entry in entries(layout, by_holder=by_holder))


def draw_key(drawing: Drawing, layout: Layout, *, by_holder: bool, left: float, top: float) -> None:
    """Draw the key, `KEY_WIDTH` pixels wide."""
    y = top
    for entry in entries(layout, by_holder=by_holder):
        if entry:
            _draw_entry(drawing, entry, left, y)
        y += KEY_ROW if entry else KEY_ROW / 2


def _draw_entry(drawing: Drawing, entry: Entry, left: float, top: float) -> None:
    ink = "faint" if entry.cells[1] in ("block", "size") else "ink"
    bar_room = KEY_WIDTH - _BAR
    indent = 0.0
    # A faint bar has no colour to explain, so it has no swatch.
    if entry.fill and entry.fill != "faint":
        drawing.boxes.append(Box(left, top + 3, _SWATCH - 6, KEY_ROW - 6, entry.fill))
        indent = _SWATCH
    if entry.bar:
        long = max(entry.bar * bar_room, 1.0)
        drawing.boxes.append(Box(left + _BAR, top + 4, long, KEY_ROW - 8, "faint"))
    first, second, third = entry.cells
    middle = top + KEY_ROW / 2
    if third == "blocks":
        drawing.words.append(Words(left + _BAR, middle, "total size", _SIZE, ink))
    aside = _NO_BAR if entry.bar is None else 0.0
    room = _SECOND + aside - indent - 8 - 6.5 * len(second)
    name = shortened(first, letters(room, _SIZE))
    drawing.words += [
        Words(left + indent, middle, name, _SIZE, ink),
        Words(left + _SECOND + aside, middle, second, _SIZE, ink, "end"),
        Words(left + _THIRD + aside, middle, third, _SIZE, ink, "end"),
    ]
