"""Arenas to run the command on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from pagebuddy import Arena

SECONDS = 120

# Takes so many bytes of an arena and is killed.
DIES = """
import os, signal, sys
import pagebuddy
arena = pagebuddy.Arena.attach(sys.argv[1])
buffer = arena.alloc(int(sys.argv[2]))
os.kill(os.getpid(), signal.SIGKILL)
"""

_numbers = count()


@pytest.fixture
def name() -> Iterator[str]:
    """A name that nobody else uses, gone afterwards."""
    own = f"pagebuddy-tools-{os.getpid()}-{next(_numbers)}"
    yield own
    Path("/dev/shm", own).unlink(missing_ok=True)


@pytest.fixture
def arena(name) -> Iterator[Arena]:
    """A named arena of 1 MiB that this process is attached to."""
    with Arena.create(name, "1 MiB") as made:
        yield made


@pytest.fixture
def die(name, surroundings) -> Callable[[int], None]:
    """Has a process take so many bytes of the named arena and be killed."""

    def run(n_bytes):
        done = subprocess.run(
            [sys.executable, "-c", DIES, name, str(n_bytes)],
            env=surroundings,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
        )
        assert done.returncode == -9

    return run
