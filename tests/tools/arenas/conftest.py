"""The command as people run it, and arenas to run it on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy import Arena

PACKAGES = Path(pagebuddy.__file__).parents[1]
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


@pytest.fixture(scope="session")
def surroundings() -> dict[str, str]:
    """The environment of a new user with a terminal of 80 columns."""
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return inherited | {"PYTHONPATH": str(PACKAGES), "COLUMNS": "80", "PYTHONUTF8": "1"}


@pytest.fixture(scope="session")
def pagebuddy_command(surroundings) -> Callable[..., tuple[int, str, str]]:
    """Runs the command, piped: its exit code, what it printed, what it complained of."""

    def run(*arguments, folder=None):
        done = subprocess.run(
            [sys.executable, "-m", "pagebuddy", *map(str, arguments)],
            capture_output=True,
            cwd=folder,
            env=surroundings,
            encoding="utf-8",
            timeout=SECONDS,
        )
        if "--json" not in arguments:
            assert max(map(len, done.stdout.splitlines()), default=0) <= 80
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="session")
def refused(pagebuddy_command) -> Callable[..., str]:
    """Runs what must be refused: its one line of complaint."""

    def run(*arguments, code=2):
        found, printed, complaint = pagebuddy_command(*arguments)
        assert (found, printed) == (code, "")
        assert complaint.startswith("pagebuddy: ")
        assert complaint.count("\n") == 1
        return complaint.removeprefix("pagebuddy: ").rstrip()

    return run


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
