"""No exception refers to itself: its traceback has frames, and frames have locals.

Such a cycle keeps everything in those frames, buffers and views among them, until the garbage collector
runs; and CPython before 3.12 crashes if the collector clears a memoryview that is still exported.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pagebuddy

ROOT = Path(pagebuddy.__file__).parent
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def raised_locals(tree: ast.AST) -> list[str]:
    """The functions that raise an exception which stays in one of their variables."""
    found = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        nodes = list(ast.walk(function))
        assigned = {
            name.id
            for node in nodes
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for name in ast.walk(node)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        }
        deleted = {
            name.id
            for node in nodes
            if isinstance(node, ast.Delete)
            for name in node.targets
            if isinstance(name, ast.Name)
        }
        for node in nodes:
            if (
                isinstance(node, ast.Raise)
                and isinstance(node.exc, ast.Name)
                and node.exc.id in assigned - deleted
            ):
                found.append(f"{function.name}, line {node.lineno}")
    return found


@pytest.mark.parametrize("file", FILES)
def test_no_function_keeps_the_exception_that_it_raises(file):
    assert raised_locals(ast.parse((ROOT / file).read_text(encoding="utf-8"))) == []


def test_a_function_that_keeps_it_is_found():
    assert raised_locals(ast.parse("def f():\n    error = OSError()\n    raise error")) == [
        "f, line 3"
    ]
