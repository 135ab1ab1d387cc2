"""Where there is no extension `_numpy`, `numpy_memory` says so, and the rest works."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy import COMPILED
from pagebuddy.buffers import uncompiled


def output(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


REFUSED = """
try:
    arena.numpy_memory()
except {error} as refusal:
    print(refusal)
"""


def test_uncompiled_it_is_refused():
    code = "from pagebuddy import Arena; arena = Arena('1 MiB')" + REFUSED
    printed = output(code.format(error="NotImplementedError"), PAGEBUDDY_PURE="1")
    assert "needs the compiled engine; use arena.empty" in printed


def test_an_uncompiled_arena_of_a_compiled_package_is_refused(Arena):
    arena = type("Other", (Arena,), {"_engine": uncompiled})("1 MiB", lock="file")
    with pytest.raises(NotImplementedError, match="compiled"):
        arena.numpy_memory()


@pytest.mark.skipif(not COMPILED, reason="the engine comes first")
def test_without_the_extension_it_is_refused():
    code = (
        "import sys; sys.modules['pagebuddy._numpy'] = None; from pagebuddy import Arena; "
        "arena = Arena('1 MiB')" + REFUSED
    )
    printed = output(code.format(error="NotImplementedError"))
    assert "install a wheel, or build pagebuddy where numpy 2 is installed" in printed


@pytest.mark.skipif(not COMPILED, reason="the engine comes first")
def test_without_numpy_it_says_what_to_install():
    code = (
        "import sys; sys.modules['numpy'] = None; from pagebuddy import Arena; "
        "arena = Arena('1 MiB')" + REFUSED
    )
    assert "pip install 'pagebuddy[numpy]'" in output(code.format(error="ImportError"))


def test_numpy_is_imported_only_when_it_is_used():
    assert output("import sys, pagebuddy; print('numpy' in sys.modules)") == "False\n"


def test_a_build_without_numpy_leaves_it_out_and_says_so(monkeypatch, capsys):
    path = Path(pagebuddy.__file__).parents[2] / "setup.py"
    if not path.exists():
        pytest.skip("this package was installed without its sources")
    pytest.importorskip("setuptools")
    spec = importlib.util.spec_from_file_location("build_without_numpy", path)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert build.numpy_headers() == ""
    assert (
        "arena.numpy_memory is left out: there are no headers of numpy" in capsys.readouterr().err
    )


def test_extensions_of_two_builds_refuse_each_other():
    """Otherwise one would call functions of the other at wrong places."""
    if not COMPILED:
        pytest.skip("there are no extensions")
    pytest.importorskip("pagebuddy._numpy")
    code = """
import ctypes
import numpy
from pagebuddy import _compiled
pointer = ctypes.pythonapi.PyCapsule_GetPointer
pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
table = pointer(_compiled.raw_buffers, b"pagebuddy._compiled.raw_buffers")
ctypes.c_ulonglong.from_address(table).value += 8
try:
    import pagebuddy._numpy
except ImportError as refusal:
    print(refusal)
from pagebuddy import Arena
print(Arena("1 MiB").empty(3).shape)
"""
    assert output(code) == (
        "pagebuddy's extensions are of different builds; install it again\n(3,)\n"
    )
