"""One run covers both engines, by the fixture `Buddy`; names that nobody else has.

PAGEBUDDY_PURE=1 leaves the compiled one out, PAGEBUDDY_REQUIRE_COMPILED=1 makes its absence an
error, PAGEBUDDY_SEARCH=long looks for faults much longer.
"""

from __future__ import annotations

import gc
import importlib
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pagebuddy import Arena as ChosenArena
from pagebuddy import BuddyAllocator
from pagebuddy.memory.named import FOLDER

ROOT = Path(__file__).parents[1]

# Programs that tests start find `verification` as well.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)

OURS = f"pagebuddy-test-{os.getpid()}-"

LONG = os.environ.get("PAGEBUDDY_SEARCH") == "long"

settings.register_profile(
    "modest",
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", settings.get_profile("modest"), max_examples=2000, stateful_step_count=100
)
settings.load_profile("long" if LONG else "modest")


@pytest.fixture(scope="session")
def rounds() -> int:
    """How many times as long as usual a search without Hypothesis shall be."""
    return 50 if LONG else 1


@pytest.fixture(scope="session", params=["compiled", "uncompiled"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the engine under test."""
    name: str = request.param
    if name == "compiled":
        if os.environ.get("PAGEBUDDY_PURE") == "1":
            pytest.skip("PAGEBUDDY_PURE=1: the uncompiled engine alone")
        try:
            importlib.import_module("pagebuddy._compiled")
        except ImportError:
            if os.environ.get("PAGEBUDDY_REQUIRE_COMPILED") == "1":
                raise
            pytest.skip("the engine was not compiled here")
    return name


@pytest.fixture(scope="session")
def module(engine: str) -> str:
    """The module that has the `BuddyAllocator` under test."""
    return "pagebuddy._compiled" if engine == "compiled" else "pagebuddy.allocator.buddy"


@pytest.fixture(scope="session")
def Buddy(module: str) -> type[BuddyAllocator]:
    """The `BuddyAllocator` under test."""
    allocator: type[BuddyAllocator] = importlib.import_module(module).BuddyAllocator
    return allocator


@pytest.fixture(scope="session")
def Arena(engine: str) -> type[ChosenArena]:
    """The `Arena` under test."""
    name = "pagebuddy._compiled" if engine == "compiled" else "pagebuddy.buffers.uncompiled"
    return type("Arena", (ChosenArena,), {"_engine": importlib.import_module(name)})


@pytest.fixture
def name() -> Iterator[str]:
    """A name in the folder of named memory that no other test uses; it is free again afterwards."""
    name = f"{OURS}{secrets.token_hex(8)}"
    yield name
    path = Path(FOLDER, name)
    with suppress(FileNotFoundError):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.fixture
def left_behind(tmp_path: Path) -> Callable[[], dict[str, object]]:
    """Count the descriptors, the mappings and the files of this process that are of media."""

    def count() -> dict[str, object]:
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


class CountingWords:
    """Words that count how often one is read."""

    def __init__(self, words):
        self.words = words
        self.reads = 0

    def __getitem__(self, index):
        self.reads += 1
        return self.words[index]

    def __setitem__(self, index, value):
        self.words[index] = value


@pytest.fixture
def counted():
    """Put before the words of an uncompiled engine: the same words, whose reads are counted."""
    return CountingWords


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def start(request: pytest.FixtureRequest) -> str:
    """A way to start processes."""
    return str(request.param)


@pytest.fixture
def run(engine: str, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Run a program from `programs/` beside the test, as a user would, to its end.

    Returns what it printed. It must succeed, with nothing on stderr.
    """
    programs = request.path.parent / "programs"

    def run_program(name: str, *arguments: str) -> str:
        pure = "1" if engine == "uncompiled" else "0"
        done = subprocess.run(
            [sys.executable, "-W", "error", programs / f"{name}.py", *arguments],
            env=os.environ | {"PAGEBUDDY_PURE": pure},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    return run_program
