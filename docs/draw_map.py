"""Draws `map.svg`, a map of the code, from what each file imports and says of itself.

    python docs/draw_map.py

The levels are those that `tests/test_imports.py` holds. A test compares the picture with the code.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from html import escape
from pathlib import Path
from textwrap import wrap
from types import ModuleType
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
MAP = ROOT / "docs" / "map.svg"

WIDTH, MARGIN, GAP, PADDING = 960, 12, 10, 10
LINE, TITLE = 15, 19
COLUMNS = 4
# How many letters fit a hundred pixels, for the widest text that is to be expected.
LETTERS = 14

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .name { font: bold 13px ui-monospace, monospace; fill: #1f2328 }
  .files { font: 11px ui-monospace, monospace; fill: #1f2328 }
  .uses { font-style: italic }
  .page { fill: #ffffff } .level { fill: #eef1f5 } .room { fill: #ffffff; stroke: #c3cad3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #9aa4b0 } .name, .files { fill: #e6edf3 }
    .page { fill: #0d1117 } .level { fill: #1a212b } .room { fill: #0d1117; stroke: #3d4754 }
  }
"""


class Room(NamedTuple):
    """A file or a folder directly in the package."""

    name: str
    says: str
    files: list[str]
    uses: list[str]


class Box(NamedTuple):
    """A room as it is drawn: its lines, each with its style, and its place and size."""

    lines: list[tuple[str, str]]
    x: int
    y: int
    width: int
    height: int


def draw() -> str:
    """The map as SVG."""
    parts: list[str] = []
    y = MARGIN + TITLE
    for rooms in reversed(levels()):
        boxes = list(laid_out(rooms, y + GAP))
        bottom = max(box.y + box.height for box in boxes) + GAP
        parts.append(rectangle("level", MARGIN, y, WIDTH - 2 * MARGIN, bottom - y))
        parts.extend(text for box in boxes for text in drawn(box))
        y = bottom + GAP
    head = "Each room may use those in its own row and in the rows below it, and uses those named."
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img">',
            "<title>A map of the code of pagebuddy</title>",
            f"<style>{STYLE}</style>",
            rectangle("page", 0, 0, WIDTH, y),
            f'<text x="{MARGIN}" y="{MARGIN + 8}">{head}</text>',
            *parts,
            "</svg>\n",
        )
    )


def levels() -> list[list[Room]]:
    """The rooms that there are, from the lowest level to the highest."""
    imports = _imports()
    present = {imports.room_of(module) for module in imports.FILES}
    found = [[_room(imports, name) for name in sorted(names & present)] for names in imports.LEVELS]
    return [rooms for rooms in found if rooms]


def laid_out(rooms: list[Room], top: int) -> Iterator[Box]:
    """Boxes for the rooms of a level: folders over the whole width, then files in columns."""
    left, inner = MARGIN + GAP, WIDTH - 2 * (MARGIN + GAP)
    folders = [room for room in rooms if room.files]
    files = [room for room in rooms if not room.files]
    for room in folders:
        yield (box := _box(room, left, top, inner))
        top = box.y + box.height + GAP
    width = (inner - (COLUMNS - 1) * GAP) // COLUMNS
    for start in range(0, len(files), COLUMNS):
        row = [
            _box(room, left + i * (width + GAP), top, width)
            for i, room in enumerate(files[start : start + COLUMNS])
        ]
        height = max(box.height for box in row)
        yield from (box._replace(height=height) for box in row)
        top += height + GAP


def drawn(box: Box) -> Iterator[str]:
    """A box and what is written in it."""
    yield rectangle("room", box.x, box.y, box.width, box.height)
    y = box.y + PADDING + 8
    for style, text in box.lines:
        yield f'<text class="{style}" x="{box.x + PADDING}" y="{y}">{escape(text)}</text>'
        y += LINE


def rectangle(style: str, x: int, y: int, width: int, height: int) -> str:
    """A rectangle with round corners."""
    return f'<rect class="{style}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'


def _imports() -> ModuleType:
    """The test of the imports, which knows levels, rooms, and what each file imports."""
    spec = importlib.util.spec_from_file_location("imports", ROOT / "tests" / "test_imports.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _room(imports: ModuleType, name: str) -> Room:
    modules = [module for module in imports.FILES if imports.room_of(module) == name]
    package = name if name == "pagebuddy" else f"pagebuddy.{name}"
    path = imports.FILES[package]
    files = sorted(
        module.removeprefix(f"{package}.") for module in modules if module.count(".") == 2
    )
    folder = path.parent if path.name == "__init__.py" and name != "pagebuddy" else None
    below = {room.name for room in folder.iterdir() if room.is_dir()} if folder else set()
    uses = {
        imports.room_of(found.target)
        for module in modules
        for found in imports.imports_of(module)
        if imports.ours(found.target) and not found.for_types
    }
    documented = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return Room(
        name=f"{name}/" if folder else name,
        says=documented.partition("\n\n")[0].replace("\n", " ").replace("`", ""),
        files=[f"{file}/" if file in below else file for file in files],
        uses=sorted(uses - {name}),
    )


def _box(room: Room, x: int, y: int, width: int) -> Box:
    letters = (width - 2 * PADDING) * LETTERS // 100
    lines = [("name", room.name)]
    lines += [("says", line) for line in wrap(room.says, letters)]
    lines += [("files", line) for line in wrap(" · ".join(room.files), letters)]
    if room.uses:
        lines += [("uses", line) for line in wrap("uses " + ", ".join(room.uses), letters)]
    return Box(lines, x, y, width, 2 * PADDING + LINE * len(lines) - 3)


if __name__ == "__main__":
    MAP.write_text(draw(), encoding="utf-8")
