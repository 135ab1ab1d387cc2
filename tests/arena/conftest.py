"""Arenas of every kind, names that nobody else has, other processes, and a count of what is left."""

from __future__ import annotations

import gc
import os
import secrets
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy.memory.named import FOLDER

OURS = f"pagebuddy-arena-{os.getpid()}-"

PRELUDE = """
import os, sys
import pagebuddy
from pagebuddy import *

def say(*words):
    print(*words, flush=True)

def hear():
    return sys.stdin.readline().strip()
"""


class Other:
    """Another process, which runs a program with the same engine; both say and hear lines."""

    def __init__(self, engine, program, *arguments, fds=()):
        environment = dict(os.environ, PYTHONPATH=str(Path(pagebuddy.__file__).parents[1]))
        environment.pop("PAGEBUDDY_PURE", None)
        if engine == "uncompiled":
            environment["PAGEBUDDY_PURE"] = "1"
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PRELUDE + program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            pass_fds=fds,
        )
        self.pid = self.process.pid

    def say(self, word=""):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def hear(self):
        """Wait for a line; "" if it has ended."""
        return self.process.stdout.readline().strip()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """Wait until it has ended by itself; its exit status."""
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        return self.process.wait(timeout=60)

    def close(self):
        self.kill()
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def start(engine):
    """Start another process with a program; whatever still runs at the end is ended."""
    others = []

    def start(program, *arguments, fds=()):
        others.append(Other(engine, program, *arguments, fds=fds))
        return others[-1]

    yield start
    for other in others:
        other.close()


@pytest.fixture
def name():
    """A name for an arena that no other test uses; it is free again afterwards."""
    name = f"{OURS}{secrets.token_hex(8)}"
    yield name
    path = Path(FOLDER, name)
    with suppress(FileNotFoundError):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.fixture
def path(tmp_path):
    """Where the file of an arena may be."""
    return tmp_path / "store.pb"


@pytest.fixture
def make(Arena, name, path):
    """How to make an arena of each kind, by its name."""
    return {
        "anonymous": Arena,
        "named": lambda size, **options: Arena.create(name, size, **options),
        "file": lambda size, **options: Arena.file(path, size, **options),
    }


@pytest.fixture(params=["anonymous", "named", "file", "given"])
def arena(request, Arena, make):
    """An arena of a MiB, or a little less where its tables lie in it, of each kind."""
    if request.param == "given":
        return Arena.over(bytearray(1 << 20))
    return make[request.param]("1 MiB")


@pytest.fixture
def left_behind(tmp_path):
    """Count the descriptors, the mappings of files and the files of this process."""

    def count():
        gc.collect()
        maps = Path("/proc/self/maps").read_text().splitlines()
        ours = ("/memfd:pagebuddy", FOLDER, str(tmp_path))
        return {
            "descriptors": len(os.listdir("/proc/self/fd")),
            "mappings": sum(any(place in line for place in ours) for line in maps),
            "named": sorted(name for name in os.listdir(FOLDER) if name.startswith(OURS)),
            "files": sorted(os.listdir(tmp_path)),
        }

    return count
