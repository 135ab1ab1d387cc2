"""The picture in a file."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from pagebuddy import BuddyAllocator, PageRanges
from pagebuddy.tools.grid import Row
from pagebuddy.tools.layout import Layout
from pagebuddy.tools.palette import USED, order_colours
from pagebuddy.tools.plot import _boxes, draw

pytest.importorskip("matplotlib")


def a_layout():
    buddy = BuddyAllocator(PageRanges([(1, 0x9E), (0x100, 0x4000)]), max_order=10)
    for n in (1, 5, 100, 300):
        buddy.alloc(n)
    return Layout.of(buddy)


@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".SVG", b"<?xml")],
)
def test_formats(tmp_path, suffix, start):
    path = tmp_path / f"memory{suffix}"
    draw(a_layout(), path, title="Memory")
    assert path.read_bytes().startswith(start)


def test_colours_are_those_of_what_is_there(tmp_path):
    path = tmp_path / "memory.svg"
    layout = a_layout()
    draw(layout, path, title=r"a <name> & $\nonsense$")
    text = path.read_text()
    ElementTree.fromstring(text)
    assert USED in text
    for order, count in enumerate(layout.n_blocks.tolist()):
        # A swatch in the key, and a box where such blocks are the largest in a cell.
        n_times = text.count(order_colours(10)[order])
        assert n_times >= (2 if count and order >= 3 else 1), order


def test_the_same_layout_gives_the_same_bytes(tmp_path):
    for suffix in (".svg", ".png", ".pdf"):
        paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
        for path in paths:
            draw(a_layout(), path, title="Memory")
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_used_parts_fill_cells_from_below():
    """Here `y` goes down: the box of what is used ends where the cell ends."""
    row = Row(0, np.array([4, 4, 4, 0]), np.array([0, 3, 4, 0]), np.array([-1, 1, 2, -1]))
    *free, used, quarter = _boxes(row, 10.0, 1.0, ["a", "b", "c"])
    assert [colour for *_, colour in free] == ["b", "c"]
    assert [(top, height, colour) for _, top, _, height, colour in (used, quarter)] == [
        (10.0, 1.0, USED),
        (10.75, 0.25, USED),
    ]


@pytest.mark.parametrize("n_pages", [1, 7, 1 << 14])
@pytest.mark.parametrize("full", [False, True])
def test_any_size(tmp_path, n_pages, full):
    buddy = BuddyAllocator(n_pages, max_order=31)
    if full:
        buddy.alloc(n_pages)
    draw(Layout.of(buddy), tmp_path / "memory.svg", title="Memory")


@pytest.mark.parametrize("name", ["memory", "memory.txt", "memory.svg.gz"])
def test_other_names_are_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(ValueError, match=r"ends in \.svg, \.png or \.pdf"):
        draw(a_layout(), tmp_path / name, title="Memory")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        draw(a_layout(), tmp_path / "none" / "memory.svg", title="Memory")
