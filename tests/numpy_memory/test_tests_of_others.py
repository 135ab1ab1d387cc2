"""The tests of numpy and pandas pass while numpy allocates everything in an arena.

No test is excepted for what it tests: all of them pass, those for memory policy too.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")

HERE = Path(np.__file__).parent

CORE = "_core/tests/test_"

GROUPS = {
    "records": [f"{CORE}records.py"],
    "arrays": [f"{CORE}{name}.py" for name in ("multiarray", "indexing", "regression")],
    "more arrays": [
        f"{CORE}{name}.py"
        for name in (
            *("array_coercion", "dtype", "function_base", "item_selection", "mem_overlap"),
            *("nditer", "numeric", "shape_base"),
        )
    ],
    "numbers": [
        f"{CORE}{name}.py"
        for name in ("casting_unittests", "datetime", "einsum", "scalarmath", "ufunc", "umath")
    ],
    "text": [f"{CORE}{name}.py" for name in ("arrayprint", "strings", "stringdtype")],
    "fft, polynomial and random": ["fft", "polynomial", "random"],
    "lib": ["lib"],
    "ma and linalg": ["ma", "linalg"],
}

# Some take seconds each; the last one fails if it takes long.
LEFT_OUT = ["-k", "not slow and not openblas_threading and not frompyfunc_leaks and not any_text"]


def outcome(run_file, where, *arguments):
    """Run tests; the names of those that failed, and what was left in the arena."""
    printed = run_file("tests_inside", where, *map(str, arguments))
    ran = re.search(r"ran (\d+)$", printed, re.MULTILINE)
    assert ran, printed
    assert int(ran[1]) > 0, printed
    left = re.search(r"left (\d+) \d+\n\Z", printed)
    return set(re.findall(r"^failed (.*)$", printed, re.MULTILINE)), int(left[1])


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch):
    """Tests that need much memory skip themselves."""
    monkeypatch.setenv("NPY_AVAILABLE_MEM", "200MB")


def compare(run_file, *arguments):
    """Run tests inside; if some fail, they must fail outside too."""
    failed, left = outcome(run_file, "inside", *arguments)
    if failed:
        failed -= outcome(run_file, "outside", *arguments)[0]
    assert failed == set()
    assert left == 0


@pytest.mark.parametrize(
    "group",
    [
        group if group == "records" else pytest.param(group, marks=pytest.mark.soak)
        for group in GROUPS
    ],
)
def test_numpys_own_tests(run_file, group):
    if not (HERE / "_core" / "tests").is_dir():
        pytest.skip("this numpy has no tests, or other ones")
    compare(run_file, *(HERE / part for part in GROUPS[group]), *LEFT_OUT)


@pytest.mark.soak
def test_numpys_tests_for_memory_policy(run_file, monkeypatch):
    path = HERE / "_core" / "tests" / "test_mem_policy.py"
    if not path.exists():
        pytest.skip("this numpy has no tests, or other ones")
    # The tools may be where this Python is.
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    monkeypatch.setenv("PATH", tools)
    if not (shutil.which("cc") and shutil.which("meson") and shutil.which("ninja")):
        pytest.skip("these tests compile an extension with meson")
    compare(run_file, path)


@pytest.mark.soak
def test_pandas_own_tests_for_parsers(run_file):
    found = importlib.util.find_spec("pandas")
    folder = Path(found.origin).parent / "tests" / "io" / "parser" / "common" if found else None
    if folder is None or not folder.is_dir():
        pytest.skip("there is no pandas with tests")
    compare(run_file, folder, "-W", "ignore", "-m", "not slow and not network and not single_cpu")
