"""Arenas of every kind, and other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy.memory.sizes import bytes_of
from tests.arena.small_file_system import in_small as in_small

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
        "given": lambda size: Arena.over(bytearray(bytes_of(size))),
    }


@pytest.fixture(params=["anonymous", "named", "file", "given"])
def arena(request, make):
    """An arena of a MiB, or a little less where its tables lie in it, of each kind."""
    return make[request.param]("1 MiB")
