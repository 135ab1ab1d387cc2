"""Imports point one way: a file uses its own level and those below it.

The levels are those of the design. A new file must be given one here.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import pagebuddy

ROOT = Path(pagebuddy.__file__).parent

LEVELS = [
    {"errors", "arguments", "pickled"},
    {"core"},
    {"allocator"},
    {"memory"},
    {"sharing"},
    {"buffers"},
    {"_compiled", "_numpy", "engine"},
    {"exchange"},
    {"messages"},
    {"arena"},
    {"pool", "shared_memory"},
    {"pagebuddy"},
    {"adapters"},
    {"tools", "testing", "__main__"},
]

FOR_TYPES = "for types alone"

# An arena draws itself in a notebook: these methods import the pictures when they are called.
# Uncompiled, an attachment imports the channels of rings, which are compiled together with it.
UPWARDS = {
    ("arena", "_repr_html_"),
    ("arena", "_repr_svg_"),
    ("buffers", "channel"),
    ("buffers", "progress"),
}

# All that the core may use besides itself: nothing of an operating system, nothing of text.
FOR_THE_CORE = {"__future__", "collections", "typing"}

WITH_DEPENDENCIES = {"adapters", "tools", "testing", "__main__"}


class Import(NamedTuple):
    """That a file uses a module: in which function, if in one, and whether for types alone."""

    target: str
    function: str | None
    for_types: bool


def name_of(path: Path) -> str:
    """The dotted name of a file's module."""
    parts = ["pagebuddy", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def room_of(module: str) -> str:
    """The file or folder directly in the package that a module is of; or the package itself."""
    return module.split(".")[1] if "." in module else module


def level_of(room: str) -> int:
    return next(i for i, rooms in enumerate(LEVELS) if room in rooms)


@functools.cache
def imports_of(module: str) -> tuple[Import, ...]:
    """Every import in a file, those of the package by their full names."""
    path = FILES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: list[Import] = []

    def walk(node: ast.AST, function: str | None, for_types: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, function, for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                home = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*home, base] if base else home)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                target = inner if inner in FILES else base
                found.append(Import(target, function, for_types))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for child in ast.iter_child_nodes(node):
                walk(child, function or node.name, for_types)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                walk(child, function, True)
            for child in node.orelse:
                walk(child, function, for_types)
        else:
            for child in ast.iter_child_nodes(node):
                walk(child, function, for_types)

    walk(ast.parse(path.read_text(encoding="utf-8")), None, False)
    return tuple(found)


def ours(target: str) -> bool:
    return target.split(".")[0] == "pagebuddy"


@pytest.mark.parametrize("module", FILES)
def test_a_file_uses_its_own_level_and_those_below(module):
    room = room_of(module)
    assert any(room in rooms for rooms in LEVELS), f"give {room} its level in this test"
    for target, function, for_types in imports_of(module):
        where = FOR_TYPES if for_types else function
        if ours(target) and (room, where) not in UPWARDS:
            assert level_of(room_of(target)) <= level_of(room), f"{module} imports {target}"


@pytest.mark.parametrize("module", [module for module in FILES if room_of(module) == "core"])
def test_the_core_uses_nothing_but_itself(module):
    for target, _, _ in imports_of(module):
        if ours(target):
            assert room_of(target) == "core", f"{module} imports {target}"
        else:
            assert target.split(".")[0] in FOR_THE_CORE, f"{module} imports {target}"


def test_no_file_comes_back_to_itself():
    """Within a level too, what is imported when a file is loaded has an order."""
    graph = {
        module: {
            target
            for target, function, for_types in imports_of(module)
            if target in FILES and function is None and not for_types and target != module
        }
        for module in FILES
    }
    assert set(TopologicalSorter(graph).static_order()) == set(FILES)


@pytest.mark.parametrize(
    "module", [module for module in FILES if room_of(module) not in WITH_DEPENDENCIES]
)
def test_what_is_no_part_of_python_is_imported_only_where_it_is_used(module):
    for target, function, for_types in imports_of(module):
        top = target.split(".")[0]
        if top not in sys.stdlib_module_names and not ours(target):
            assert function is not None or for_types, f"{module} imports {target}"


@pytest.mark.parametrize("module", FILES)
def test_nothing_that_is_shipped_uses_what_is_not(module):
    for target, _, _ in imports_of(module):
        assert target.split(".")[0] not in ("verification", "tests", "benchmarks"), module


def test_the_package_is_imported_without_its_optional_friends():
    script = (
        "import sys, pagebuddy; "
        "friends = {'numpy', 'rich', 'typer', 'matplotlib', 'hypothesis', 'pytest', 'Cython'}; "
        "sys.exit(str(sorted(friends & set(sys.modules))) if friends & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
