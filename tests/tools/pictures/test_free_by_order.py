"""The table of free blocks by order, at several widths."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pagebuddy import BuddyAllocator
from pagebuddy.tools.pictures.free_by_order import FreeByOrder
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import order_colours


def shown(layout, *, width=80, encoding="utf-8", **options):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=file, width=width, **options).print(FreeByOrder(layout))
    file.flush()
    return file.buffer.getvalue().decode(encoding)


def with_blocks(*orders, n=1 << 12):
    buddy = BuddyAllocator(n, max_order=10)
    buddy.alloc(n)
    layout = Layout.of(buddy)
    place, rows = 0, []
    for order in sorted(orders, reverse=True):
        rows.append((place, order))
        place += 1 << order
    return Layout.from_rows(layout.ranges, rows, [], page_size=4096, max_order=10)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_bars_are_shares_and_fit(width):
    lines = shown(with_blocks(9, 8, 8, 5, 0), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) == 12
    rows = [line.split() for line in lines[1:]]
    assert [int(row[3]) for row in rows] == [1, 0, 0, 0, 0, 1, 0, 0, 2, 1, 0]
    bars = [row[6] if len(row) > 6 else "" for row in rows]
    room = width - len(lines[0].rstrip()) - 1
    assert bars[8] == bars[9] == "█" * room
    assert bars[0] in ("▏", "▎")  # an eighth or two, not nothing
    assert len(bars[5]) == -(-room // 16)
    assert bars[1] == bars[10] == ""


@pytest.mark.parametrize("layout", [with_blocks(), with_blocks(10, 10, 10, 10), with_blocks(n=1)])
def test_full_and_empty(layout):
    assert len(shown(layout).splitlines()) == layout.top_order + 2


def test_colour_where_there_is_colour():
    layout = with_blocks(3)
    red, green, blue = (int(order_colours(10)[3][i : i + 2], 16) for i in (1, 3, 5))
    text = shown(layout, force_terminal=True, color_system="truecolor")
    assert f"48;2;{red};{green};{blue}m" in text
    assert "48;2" not in shown(layout)
    assert "#" * 10 in shown(layout, encoding="ascii")


@pytest.mark.parametrize("width", [1, 10, 39])
def test_too_narrow_a_terminal(width):
    lines = shown(with_blocks(9, 8, 8), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) == 12
