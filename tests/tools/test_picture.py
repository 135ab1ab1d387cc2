"""The picture in a terminal, at several widths, with and without colour."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pagebuddy import BuddyAllocator, PageRanges
from pagebuddy.tools.layout import Layout
from pagebuddy.tools.palette import order_colours
from pagebuddy.tools.picture import Picture


def shown(layout, *, width=80, encoding="utf-8", **options):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=file, width=width, **options).print(Picture(layout))
    file.flush()
    return file.buffer.getvalue().decode(encoding)


@pytest.fixture(scope="module")
def layout():
    """Two ranges of 4 MiB and 1 GiB; used: half of the first, 100 MiB in spots of the second."""
    buddy = BuddyAllocator(PageRanges([(0x100, 0x400), (0x10000, 0x40000)]), max_order=10)
    buddy.alloc_at(0x100, 0x200)
    for page in range(0x10000, 0x18000, 8):
        buddy.alloc_at(page, 6 if page < 0x14000 else 1)
    return Layout.of(buddy)


@pytest.mark.parametrize("width", [24, 40, 79, 80, 100, 200])
def test_it_fits_the_width(layout, width):
    lines = shown(layout, width=width).splitlines()
    assert max(map(len, lines)) <= width
    cells = [line.split(" ", 1)[1] for line in lines if line.startswith("0x")]
    assert max(map(len, cells)) in (8, 16, 32, 64, 128)
    assert max(map(len, cells)) * 2 > width - 12


def test_without_colour(layout):
    text = shown(layout)
    assert "\x1b" not in text
    assert "(hole of 251 MiB)" in text
    assert "· free  ░▒▓ used in part  █ used" in text
    small, *large = [line[11:] for line in text.splitlines() if line.startswith("0x")]
    assert set(small) == set(" █·")
    assert set("".join(large)) == set("▓░·")


def test_the_cells_are_the_memory():
    buddy = BuddyAllocator(64, max_order=6)
    buddy.alloc_at(0, 16)
    buddy.alloc_at(17, 1)
    buddy.alloc_at(62, 2)
    lines = shown(Layout.of(buddy), width=20).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("0x")] == [
        "████████",
        "████████",
        "·█······",
        *["········"] * 4,
        "······██",
    ]


def test_colours_tell_the_largest_free_block(layout):
    text = shown(layout, force_terminal=True, color_system="truecolor", no_color=False)
    for colour in (order_colours(10)[1], order_colours(10)[10]):
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        assert f"48;2;{red};{green};{blue}m" in text
    assert "free, by the order of the largest block there:" in text
    assert "· free" not in text


def test_no_color_is_heeded(layout):
    """The legend is then the one without colour, though the terminal has some."""
    text = shown(layout, force_terminal=True, color_system="truecolor", no_color=True)
    assert "· free  ░▒▓ used in part  █ used" in text


def test_ascii(layout):
    text = shown(layout, encoding="ascii")
    assert ". free  -+* used in part  # used" in text
    assert "#" * 8 in text


def test_lightness_rises_with_the_order():
    """So that the picture reads without colour vision."""
    for max_order in (1, 5, 10, 31):
        channels = [
            [int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in order_colours(max_order)
        ]
        lightness = [0.299 * red + 0.587 * green + 0.114 * blue for red, green, blue in channels]
        assert lightness == sorted(set(lightness))
