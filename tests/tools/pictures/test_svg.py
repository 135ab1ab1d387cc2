"""A drawing as SVG: sound XML, nothing fetched, dark and light."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from pagebuddy import BuddyAllocator
from pagebuddy.tools.pictures.drawing import Box, Drawing, Words
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.palette import DARK, LIGHT
from pagebuddy.tools.pictures.sheet import sheet
from pagebuddy.tools.pictures.svg import as_svg

SPACE = "{http://www.w3.org/2000/svg}"


def a_drawing(text="word"):
    boxes = [Box(1, 2, 3, 4, "#112233"), Box(4, 2, 1 / 3, 4, "#112233"), Box(0, 0, 9, 9, "quiet")]
    words = [Words(5, 10, text, 10, "faint", "end", mono=True), Words(0, 5, "b", 12, bold=True)]
    return Drawing(text, 100, 50.5, boxes, words)


@pytest.mark.parametrize("alone", [True, False])
def test_everything_drawn_is_there(alone):
    root = ElementTree.fromstring(as_svg(a_drawing(), alone=alone))
    assert root.tag == f"{SPACE}svg"
    assert root.get("viewBox") == "0 0 100 50.5"
    assert [path.get("d") for path in root.iter(f"{SPACE}path")] == [
        "M1 2h3v4h-3zM4 2h0.33v4h-0.33z",
        "M0 0h9v9h-9z",
    ]
    word, bold = root.iter(f"{SPACE}text")
    assert (word.text, word.get("text-anchor"), word.get("x")) == ("word", "end", "5")
    assert "monospace" in word.get("font-family")
    assert bold.get("font-weight") == "600"
    assert root.find(f"{SPACE}title").text == "word"


def test_alone_it_is_dark_or_light_as_the_reader_prefers():
    text = as_svg(a_drawing())
    before, dark = text.split("@media (prefers-color-scheme:dark)")
    assert f"color:{LIGHT.ink}" in before
    assert f"fill:{LIGHT.paper}" in before
    assert f"color:{DARK.ink}" in dark
    assert f"fill:{DARK.paper}" in dark


def test_in_a_page_it_changes_nothing_else_and_takes_the_ink_from_around():
    text = as_svg(a_drawing(), alone=False)
    assert "<style" not in text
    assert "class=" not in text
    assert text.count('"currentColor"') == 3
    for theme in (LIGHT, DARK):
        assert theme.ink not in text
        assert theme.paper not in text


def test_no_seam_is_left_where_boxes_touch():
    third = 100 / 3 - 0.001
    boxes = [Box(i * third, i * third, third, third, "ink") for i in range(9)]
    edges = re.findall(r"M(\S+) (\S+)h(\S+)v(\S+)h", as_svg(Drawing("", 300, 300, boxes)))
    numbers = [[round(float(number) * 100) for number in edge] for edge in edges]
    assert len(numbers) == 9
    for (x, y, wide, high), (next_x, next_y, *_) in pairwise(numbers):
        assert (x + wide, y + high) == (next_x, next_y)


@pytest.mark.parametrize("text", ["a <b> & \"c\" 'd'", "]]>", "\x00\x1b[31m", "\ud800", "日本 🐍"])
def test_any_text(text):
    root = ElementTree.fromstring(as_svg(a_drawing(text)).encode())
    shown = next(root.iter(f"{SPACE}text")).text
    assert len(shown) == len(text)
    assert all(a in (b, "\ufffd") for a, b in zip(shown, text, strict=True))


def test_nothing_but_the_standard_library_is_needed():
    """For a notebook without any extra."""
    script = (
        "import sys\n"
        "for name in ('numpy', 'matplotlib', 'rich', 'typer'): sys.modules[name] = None\n"
        "from pagebuddy import BuddyAllocator\n"
        "from pagebuddy.tools.pictures.layout import Layout\n"
        "from pagebuddy.tools.pictures.sheet import sheet\n"
        "from pagebuddy.tools.pictures.svg import as_svg\n"
        "print(as_svg(sheet(Layout.of(BuddyAllocator(64)), title='Memory')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<svg ")


def test_the_text_grows_with_the_picture_and_not_with_the_memory():
    """A page of a notebook holds it, however large and worn the memory is."""
    buddy = BuddyAllocator(1 << 16)
    pages = [buddy.alloc(1) for _ in range(1 << 16)]
    for page in pages[::2]:
        buddy.free(page)
    for by_holder in (False, True):
        rows = ((first, n, [first % 5]) for first, n in buddy.spans())
        layout = Layout.of(buddy, rows)
        assert len(as_svg(sheet(layout, title="Memory", by_holder=by_holder))) < 300_000
