"""The picture in a file."""

from __future__ import annotations

import pytest

from pagebuddy import BuddyAllocator, PageRanges
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import DARK, LIGHT
from pagebuddy.tools.pictures.plot import draw

pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex
from matplotlib.image import imread


def a_layout():
    buddy = BuddyAllocator(PageRanges([(1, 0x9E), (0x100, 0x4000)]), max_order=10)
    for n in (1, 5, 100, 300):
        buddy.alloc(n)
    return Layout.of(buddy)


@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".png", b"\x89PNG"), (".svg", b"<svg "), (".pdf", b"%PDF"), (".SVG", b"<svg ")],
)
def test_formats(tmp_path, suffix, start):
    path = tmp_path / f"memory{suffix}"
    draw(a_layout(), path, title="Memory")
    assert path.read_bytes().startswith(start)


def test_the_same_layout_gives_the_same_bytes(tmp_path):
    for suffix in (".svg", ".png", ".pdf"):
        paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
        for path in paths:
            draw(a_layout(), path, title="Memory")
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_dark_and_light_differ_in_paper_and_ink(tmp_path):
    for name, dark in (("light", False), ("dark", True)):
        draw(a_layout(), tmp_path / f"{name}.png", title="Memory", dark=dark)
    light, dark = (imread(tmp_path / f"{name}.png") for name in ("light", "dark"))
    assert light.shape == dark.shape
    assert to_hex(light[0, 0]) == LIGHT.paper
    assert to_hex(dark[0, 0]) == DARK.paper
    same = (light == dark).all(axis=2).mean()
    assert 0.2 < same < 0.9  # the cells are the same, what is around them is not


def test_a_png_has_two_pixels_for_each(tmp_path):
    draw(a_layout(), tmp_path / "memory.png", title="Memory", width=500)
    assert imread(tmp_path / "memory.png").shape[1] == 1000


@pytest.mark.parametrize("n_pages", [1, 7, 1 << 14])
@pytest.mark.parametrize("full", [False, True])
def test_any_size(tmp_path, n_pages, full):
    buddy = BuddyAllocator(n_pages, max_order=31)
    if full:
        buddy.alloc(n_pages)
    draw(Layout.of(buddy), tmp_path / "memory.svg", title="Memory")


@pytest.mark.parametrize("name", ["memory", "memory.txt", "memory.svg.gz"])
def test_other_names_are_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in \.svg, \.png or \.pdf"):
        draw(a_layout(), tmp_path / name, title="Memory")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        draw(a_layout(), tmp_path / "none" / "memory.svg", title="Memory")
