"""A timeline as a drawing: used memory, free blocks and fragmentation. Used by `replay`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import accumulate
from textwrap import wrap
from typing import NamedTuple

from pagebuddy import Stats
from pagebuddy.tools.pictures.drawing import USUAL_WIDTH, Box, Drawing, Words, check_width, letters
from pagebuddy.tools.pictures.palette import USED, order_colours
from pagebuddy.tools.pictures.timeline import Timeline
from pagebuddy.tools.terminal.units import in_bytes, in_percent

_MARGIN, _LABEL = 14.0, 66.0
_HEAD, _PANEL, _GAP = 18.0, 120.0, 14.0
_SIZE, _SMALL = 11.5, 10.0
_BOLD_WIDER = 1.1
_SWATCH = 30.0
# The scale is this factor above used memory and small free blocks, so that top blocks are visible.
_ROOM_ABOVE = 1.15
# The scale shows at least this part of memory.
_FINEST = 64
_LINE = 1.5


class _Layer(NamedTuple):
    """A layer of a panel: its height, and its colour."""

    of: Callable[[Stats], float]
    fill: str


def timeline_sheet(timeline: Timeline, *, title: str, width: float = USUAL_WIDTH) -> Drawing:
    """Draw a timeline `width` pixels wide, at least 320. The unit of time is the operation.

    Three panels: used pages, and above them free pages by order; the largest free run, and above it the
    other free pages; the share of free pages that is unusable for the highest order, and as a line for
    half that order. If most memory is free in blocks of the highest order, the first panel leaves most
    of it out and says so. Raises `ValueError` for a small width or an empty timeline.

    >>> from pagebuddy import BuddyAllocator
    >>> timeline = Timeline()
    >>> timeline.look(BuddyAllocator(64))
    >>> timeline_sheet(timeline, title="Memory").words[1].text
    '0 operations from left to right'
    """
    check_width(width)
    if not timeline.moments:
        raise ValueError("the timeline is empty; call look() with an allocator first")
    drawing = Drawing(title, width)
    y = drawing.heading(_MARGIN, f"{timeline.operations:,} operations from left to right")
    y = _memory(drawing, timeline, y)
    y = _largest(drawing, timeline, y)
    y = _unusable(drawing, timeline, y)
    drawing.height = y - _GAP + _MARGIN
    return drawing


def _memory(drawing: Drawing, timeline: Timeline, top: float) -> float:
    """What is used and what is free by order; where the panel ends."""
    size, order = timeline.page_size, timeline.top_order
    colours = order_colours(order)
    layers = [_Layer(lambda stats: stats.used, USED)]
    layers += [_Layer(_pages_of(k), colours[k]) for k in range(order + 1)]
    n_pages = timeline.moments[0].stats.n_pages
    broken = max(
        stats.n_pages - (_pages_of(order)(stats) if order else 0) for _, stats in timeline.moments
    )
    scale = min(n_pages, max(_ROOM_ABOVE * broken, n_pages / _FINEST))
    told = "used memory, and free blocks by order"
    if scale < n_pages:
        told += f"; the rest, up to {in_bytes(n_pages * size)}, is free"
    y = _head(drawing, top, told)
    _draw_panel(drawing, timeline, y, layers, scale, in_bytes(int(scale) * size))
    return _key(
        drawing, y + _PANEL + 8, [("used", USED), *((f"{k}", colours[k]) for k in range(order + 1))]
    )


def _largest(drawing: Drawing, timeline: Timeline, top: float) -> float:
    size = timeline.page_size
    scale = max((stats.free for _, stats in timeline.moments), default=0)
    layers = [
        _Layer(lambda stats: stats.largest_free, "faint"),
        _Layer(lambda stats: stats.free - stats.largest_free, "rule"),
    ]
    y = _head(drawing, top, "free memory")
    _draw_panel(drawing, timeline, y, layers, max(scale, 1), in_bytes(scale * size))
    return _key(drawing, y + _PANEL + 8, [("the largest run", "faint"), ("other runs", "rule")])


def _unusable(drawing: Drawing, timeline: Timeline, top: float) -> float:
    order = timeline.top_order
    y = _head(drawing, top, "fragmentation: the share of free memory in smaller blocks")
    layers = [_Layer(lambda stats: stats.unusable(order), "rule")]
    # The more pages a block must have, the more of what is free is in smaller ones.
    scale = max(stats.unusable(order) for _, stats in timeline.moments) or 1.0
    _draw_panel(drawing, timeline, y, layers, scale, in_percent(scale))
    _draw_line(drawing, timeline, y, lambda stats: stats.unusable(order // 2) / scale, "ink")
    key = [(f"for order {order}", "rule"), (f"for order {order // 2}", "ink")]
    return _key(drawing, y + _PANEL + 8, key)


def _pages_of(order: int) -> Callable[[Stats], float]:
    return lambda stats: stats.free_blocks[order] << order


def _head(drawing: Drawing, top: float, told: str) -> float:
    for line in wrap(told, letters(drawing.width - 2 * _MARGIN, _SIZE * _BOLD_WIDER)):
        drawing.words.append(Words(_MARGIN, top + _HEAD / 2, line, _SIZE, bold=True))
        top += _HEAD
    return top + 4


def _key(drawing: Drawing, top: float, entries: Iterable[tuple[str, str]]) -> float:
    """Swatches from left to right, in as many lines as they take; where the next panel begins."""
    x = _LABEL
    for name, fill in entries:
        wide = 18 + 6.5 * len(name) + 10
        if x + wide > drawing.width - _MARGIN:
            x, top = _LABEL, top + 16
        drawing.boxes.append(Box(x, top + 2, 12, 10, fill))
        drawing.words.append(Words(x + 17, top + 7, name, _SMALL, "faint"))
        x += max(wide, _SWATCH)
    return top + 14 + _GAP


def _draw_panel(
    drawing: Drawing,
    timeline: Timeline,
    top: float,
    layers: list[_Layer],
    scale: float,
    highest: str,
) -> None:
    """Stack the layers from below for each stretch of time, cut off where the scale ends."""
    bottom, right = top + _PANEL, drawing.width - _MARGIN
    stretches = list(_stretches(timeline, _LABEL, right))
    heights = [
        [min(h, scale) / scale * _PANEL for h in accumulate(layer.of(stats) for layer in layers)]
        for _, _, stats in stretches
    ]
    for i, layer in enumerate(layers):
        for (start, end, _), tops in zip(stretches, heights, strict=True):
            below = tops[i - 1] if i else 0.0
            if tops[i] > below:
                drawing.boxes.append(
                    Box(start, bottom - tops[i], end - start, tops[i] - below, layer.fill)
                )
    drawing.boxes.append(Box(_LABEL, bottom, right - _LABEL, 1, "rule"))
    for y, label in ((top + 5, highest), (bottom - 4, "0")):
        drawing.words.append(Words(_LABEL - 6, y, label, _SMALL, "faint", "end"))


def _draw_line(
    drawing: Drawing, timeline: Timeline, top: float, of: Callable[[Stats], float], fill: str
) -> None:
    """A line of steps over a panel whose scale ends at 1."""
    last: float | None = None
    for start, end, stats in _stretches(timeline, _LABEL, drawing.width - _MARGIN):
        y = top + _PANEL * (1 - of(stats)) - _LINE / 2
        if last is not None and last != y:
            low, high = min(last, y), max(last, y)
            drawing.boxes.append(Box(start, low, _LINE, high - low + _LINE, fill))
        drawing.boxes.append(Box(start, y, end - start, _LINE, fill))
        last = y


def _stretches(
    timeline: Timeline, left: float, right: float
) -> Iterable[tuple[float, float, Stats]]:
    """From one look to the next, as places from left to right; the last moment has a bit too."""
    end = max(timeline.operations, 1)
    times = [moment.operations / end for moment in timeline.moments]
    # The last moment is the end itself: so much of it is to be seen.
    places = [min(left + (right - left) * time, right - _LINE) for time in times]
    for start, stop, moment in zip(places, [*places[1:], right], timeline.moments, strict=True):
        if stop > start:
            yield start, stop, moment.stats
