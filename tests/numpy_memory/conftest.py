"""Arenas in which numpy allocates, and programs that do so."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pagebuddy import COMPILED
from pagebuddy import Arena as ChosenArena

PRELUDE = """
import gc, os, sys
import numpy as np
from pagebuddy import Arena
arena = Arena("16 MiB")
"""


@pytest.fixture(autouse=True)
def _extension(request):
    """Without the extension there is nothing to test, except that this is said."""
    if request.path.name == "test_without.py":
        return
    if not COMPILED:
        pytest.skip("numpy_memory needs the compiled engine")
    pytest.importorskip("numpy")
    pytest.importorskip("pagebuddy._numpy")


@pytest.fixture
def path(tmp_path):
    """Where the file of an arena may be."""
    return tmp_path / "store.pb"


@pytest.fixture(params=["anonymous", "named", "file", "given", "file lock"])
def arena(request, name, path):
    """An arena of 4 MiB of each kind, and with each kind of lock."""
    make = {
        "anonymous": lambda: ChosenArena("4 MiB"),
        "named": lambda: ChosenArena.create(name, "4 MiB"),
        "file": lambda: ChosenArena.file(path, "4 MiB"),
        "given": lambda: ChosenArena.over(bytearray(4 << 20)),
        "file lock": lambda: ChosenArena("4 MiB", lock="file"),
    }
    return make[request.param]()


@pytest.fixture
def shared(name):
    """An arena of 4 MiB that other processes can attach to."""
    arena = ChosenArena.create(name, "4 MiB")
    arena.name = name
    return arena


@pytest.fixture
def run():
    """Run a program to its end, which prints nothing on stderr; what it prints."""

    def run(program, *arguments):
        done = subprocess.run(
            [
                *(sys.executable, "-W", "error", "-X", "faulthandler", "-c"),
                *(PRELUDE + textwrap.dedent(program), *map(str, arguments)),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    return run


@pytest.fixture
def run_file():
    """Run a program from `programs/` to its end, which prints nothing on stderr; what it prints."""

    def run(name, *arguments):
        done = subprocess.run(
            [sys.executable, Path(__file__).parent / "programs" / f"{name}.py", *arguments],
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    return run
