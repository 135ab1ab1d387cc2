"""The picture in a terminal, at several widths, with and without colour."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pagebuddy import BuddyAllocator, PageRanges
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import N_HOLDERS, holder_colour, order_colours
from pagebuddy.tools.pictures.picture import Picture


def shown(layout, *, width=80, encoding="utf-8", by_holder=False, **options):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    picture = Picture(layout, by_holder=by_holder)
    Console(file=file, width=width, **options).print(picture)
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


def held(n_holders):
    """Spans of two pages with a free page behind each, one after the other by another holder."""
    buddy = BuddyAllocator(512)
    rows = []
    for i in range(120):
        rows.append((buddy.alloc(3), 2, [f"worker {i % n_holders}"]))
        buddy.resize(rows[-1][0], 2)
    return Layout.of(buddy, rows)


@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_by_holder_it_fits_the_width(width):
    lines = shown(held(3), width=width, by_holder=True).splitlines()
    assert max(map(len, lines)) <= width


def test_letters_tell_who_holds_most():
    buddy = BuddyAllocator(64)
    rows = [(buddy.alloc(16), 16, ["big"]), (buddy.alloc(1), 1, ["small"])]
    rows.append((buddy.alloc_at(30, 4), 4, ["small", "big"]))
    text = shown(Layout.of(buddy, rows), width=20, by_holder=True)
    lines = [line.split()[1] for line in text.splitlines() if line.startswith("0x")]
    assert lines[:5] == ["AAAAAAAA", "AAAAAAAA", "C·······", "······BB", "BB······"]
    told = " ".join(text.split())
    assert "A big: 64 KiB in 1 span" in told
    assert "B several: 16 KiB in 1 span" in told
    assert "C small: 4 KiB in 1 span" in told


def test_small_letters_where_some_is_free():
    buddy = BuddyAllocator(1 << 12)
    rows = [(buddy.alloc_at(page, 1), 1, ["one"]) for page in range(0, 1 << 11, 2)]
    text = shown(Layout.of(buddy, rows), by_holder=True)
    assert "aaaaaaaa" in text
    assert "A one: 4 MiB in 1,024 spans" in text


def test_beyond_the_colours_holders_are_others():
    layout = held(N_HOLDERS + 4)
    text = shown(layout, by_holder=True)
    assert "Z 4 others: " in text
    assert text.count(" worker ") == N_HOLDERS
    coloured = shown(layout, by_holder=True, force_terminal=True, color_system="truecolor")
    for place in range(N_HOLDERS + 1):
        red, green, blue = (int(holder_colour(place)[i : i + 2], 16) for i in (1, 3, 5))
        assert f"48;2;{red};{green};{blue}m" in coloured


def test_by_holder_without_any_told_it_is_as_ever(layout):
    plain = [line for line in shown(layout).splitlines() if line.startswith("0x")]
    assert [
        line for line in shown(layout, by_holder=True).splitlines() if line[:2] == "0x"
    ] == plain


@pytest.mark.parametrize("by_holder", [False, True])
@pytest.mark.parametrize("n_pages", [1, 7, 1 << 20])
@pytest.mark.parametrize("full", [False, True])
def test_empty_and_full(by_holder, n_pages, full):
    buddy = BuddyAllocator(n_pages)
    rows = [(buddy.alloc(n_pages), n_pages, ["all"])] if full else []
    text = shown(Layout.of(buddy, rows), by_holder=by_holder)
    cells = {c for line in text.splitlines() if line[:2] == "0x" for c in line.split(" ")[1]}
    assert cells == ({"A"} if by_holder else {"█"}) if full else {"·"}


@pytest.mark.parametrize("by_holder", [False, True])
@pytest.mark.parametrize("width", range(1, 24))
def test_too_narrow_a_terminal_is_told(layout, width, by_holder):
    lines = shown(layout, width=width, by_holder=by_holder).splitlines()
    assert max(map(len, lines)) <= width
    told = "".join(lines).replace(" ", "").startswith("cutoff:thepictureneeds19columns")
    assert told == (width < 19)
