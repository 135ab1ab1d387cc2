"""Where there is no extension `_numpy`, `numpy_memory` says so, and the rest works."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
