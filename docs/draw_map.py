"""Draws `map.svg`, a map of the code, from the imports and the docstrings of all files.

    python docs/draw_map.py

The levels come from `tests/test_imports.py`. A test compares the picture with the code.
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
# The width of the names of subfolders.
NAMES = 96
# The number of letters that surely fit 100 pixels.
LETTERS = 14

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .name { font: bold 13px ui-monospace, monospace; fill: #1f2328 }
  .files { font: 11px ui-monospace, monospace; fill: #1f2328 }
  .folder { font: bold 12px ui-monospace, monospace; fill: #1f2328 }
  .uses { font-style: italic }
  .page { fill: #ffffff } .level { fill: #eef1f5 } .room { fill: #ffffff; stroke: #c3cad3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #9aa4b0 } .name, .folder, .files { fill: #e6edf3 }
    .page { fill: #0d1117 } .level { fill: #1a212b } .room { fill: #0d1117; stroke: #3d4754 }
  }
"""


class Room(NamedTuple):
    """A file or a folder directly in the package; `folders` are its subfolders with their docstrings."""

    name: str
    says: str
    files: list[str]
    folders: list[tuple[str, str]]
    uses: list[str]


class Line(NamedTuple):
    """A line of a box: the texts in it, each with its style and its distance from the left."""

    texts: list[tuple[str, int, str]]


class Box(NamedTuple):
    """A room as it is drawn: its lines, its place and its size in pixels."""

    lines: list[Line]
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
    head = (
        "The package pagebuddy, from what people call (top) to what everything rests on (bottom). "
        "A part may import its own row and the rows below."
    )
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
    """The rooms of each level, from the lowest level to the highest."""
    imports = _imports()
    present = {imports.room_of(module) for module in imports.FILES}
    found = [[_room(imports, name) for name in sorted(names & present)] for names in imports.LEVELS]
    return [rooms for rooms in found if rooms]


def laid_out(rooms: list[Room], top: int) -> Iterator[Box]:
    """Boxes for the rooms of a level: folders over the whole width, then files in columns."""
    left, inner = MARGIN + GAP, WIDTH - 2 * (MARGIN + GAP)
    folders = [room for room in rooms if room.name.endswith("/")]
    files = [room for room in rooms if not room.name.endswith("/")]
    for room in folders:
        yield (box := _box(room, left, top, inner))
        top = box.y + box.height + GAP
    columns = min(max(len(files), 1), COLUMNS)
    width = (inner - (columns - 1) * GAP) // columns
    for start in range(0, len(files), columns):
        row = [
            _box(room, left + i * (width + GAP), top, width)
            for i, room in enumerate(files[start : start + columns])
        ]
        height = max(box.height for box in row)
        yield from (box._replace(height=height) for box in row)
        top += height + GAP


def drawn(box: Box) -> Iterator[str]:
    """The SVG of a box and its lines."""
    yield rectangle("room", box.x, box.y, box.width, box.height)
    y = box.y + PADDING + 8
    for line in box.lines:
        for style, indent, text in line.texts:
            x = box.x + PADDING + indent
            yield f'<text class="{style}" x="{x}" y="{y}">{escape(text)}</text>'
        y += LINE


def rectangle(style: str, x: int, y: int, width: int, height: int) -> str:
    """A rectangle with round corners."""
    return f'<rect class="{style}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'


def _imports() -> ModuleType:
    """The module `tests/test_imports.py`, which has the levels, the rooms and the imports."""
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
    is_folder = path.name == "__init__.py" and name != "pagebuddy"
    inside = [module for module in modules if module.count(".") == 2]
    below = [module for module in inside if imports.FILES[module].name == "__init__.py"]
    uses = {
        imports.room_of(found.target)
        for module in modules
        for found in imports.imports_of(module)
        if imports.ours(found.target) and not found.for_types
    }
    return Room(
        name=f"{name}/" if is_folder else name,
        says=_summary(path),
        files=sorted(module.rpartition(".")[2] for module in inside if module not in below),
        folders=[
            (f"{module.rpartition('.')[2]}/", _summary(imports.FILES[module]))
            for module in sorted(below)
        ],
        uses=sorted(uses - {name}),
    )


def _summary(path: Path) -> str:
    """The first paragraph of a file's docstring, as one line."""
    documented = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return documented.partition("\n\n")[0].replace("\n", " ").replace("`", "")


def _box(room: Room, x: int, y: int, width: int) -> Box:
    lines = [Line([("name", 0, room.name)])]
    lines += _wrapped("says", room.says, width)
    lines += _wrapped("files", " · ".join(room.files), width)
    for name, says in room.folders:
        first, *others = _wrapped("says", says, width, NAMES)
        lines += [Line([("folder", 0, name), *first.texts]), *others]
    if room.uses:
        lines += _wrapped("uses", "uses " + ", ".join(room.uses), width)
    return Box(lines, x, y, width, 2 * PADDING + LINE * len(lines) - 3)


def _wrapped(style: str, text: str, width: int, indent: int = 0) -> list[Line]:
    """A text as lines of a box of this width."""
    letters = (width - 2 * PADDING - indent) * LETTERS // 100
    return [Line([(style, indent, line)]) for line in wrap(text, letters)]


if __name__ == "__main__":
    MAP.write_text(draw(), encoding="utf-8")
