"""The compiled engine's hot path contains no Python operations."""

import re
from pathlib import Path

import pytest

import pagebuddy

CORE = sorted(Path(pagebuddy.__file__).parent.glob("core/*.py"))
ENGINE = [path for path in CORE if path.stem not in ("__init__", "stand_in")]


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_every_function_of_the_engine_may_run_without_the_interpreter(path):
    """Cython refuses to compile a `nogil` function that contains a Python operation."""
    lines = path.read_text().split("\n")
    for number, line in enumerate(lines):
        if re.match(r"def \w+", line):
            decorators = set()
            above = number - 1
            while lines[above].startswith("@"):
                decorators.add(lines[above])
                above -= 1
            assert {
                "@cython.nogil",
                "@cython.cfunc",
                "@cython.exceptval(check=False)",
            } <= decorators, f"{path.name}: {line}"


def test_the_engine_has_every_file_in_the_extension():
    included = re.findall(
        r'^include "core/(\w+)\.py"', (CORE[0].parent.parent / "_compiled.pyx").read_text(), re.M
    )
    assert sorted(included) == sorted(path.stem for path in ENGINE)


def test_the_hot_path_of_c_calls_no_python():
    """In the generated C, the bodies of `take` and `give` call no Python function."""
    pytest.importorskip("Cython")
    translation = CORE[0].parent.parent / "_compiled.c"
    if not translation.exists():
        pytest.skip("the extension was not translated here")
    text = translation.read_text()
    for name in ("take", "commit", "give", "split", "merge", "push", "remove", "node_of"):
        start = re.search(rf"^static .*__pyx_f_9pagebuddy_9_compiled_{name}\(.*\) {{$", text, re.M)
        assert start, name
        body = text[start.end() : text.index("\n}", start.end())]
        code = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
        assert not re.search(r"\bPy[A-Z_]\w*\(|__Pyx_\w+\(", code), name
