"""The map of the code is of this code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def draw_map():
    spec = importlib.util.spec_from_file_location("draw_map", ROOT / "docs" / "draw_map.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def drawn(draw_map):
    return draw_map.draw()


def test_the_map_is_up_to_date(draw_map, drawn):
    is_new = draw_map.MAP.read_text(encoding="utf-8") == drawn
    assert is_new, "the code has changed; draw its map anew: python docs/draw_map.py"


def test_every_file_is_on_it(drawn):
    text = " ".join(ElementTree.fromstring(drawn).itertext())
    words = {word.strip("/,") for word in text.split()}
    for path in (ROOT / "src" / "pagebuddy").rglob("*.py"):
        if path.name != "__init__.py":
            # Of a folder in a room the folder alone is named.
            inside = path.relative_to(ROOT / "src" / "pagebuddy").with_suffix("").parts
            assert set(inside) & words, path
    assert "tools" in words


def test_nothing_is_drawn_over_anything_else(drawn):
    svg = ElementTree.fromstring(drawn)
    boxes = [
        tuple(int(box.get(name)) for name in ("x", "y", "width", "height"))
        for box in svg.iter("{http://www.w3.org/2000/svg}rect")
        if box.get("class") == "room"
    ]
    assert len(boxes) > 10
    for i, (x, y, width, height) in enumerate(boxes):
        for left, top, across, down in boxes[:i]:
            apart = x >= left + across or left >= x + width or y >= top + down or top >= y + height
            assert apart
