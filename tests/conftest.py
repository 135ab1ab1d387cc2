"""Fixtures for both engines, unique names, and how much work a run of the tests does.

Environment variables:

    PAGEBUDDY_EFFORT            everyday (the default), soak or hunt: see `Effort`
    PAGEBUDDY_SEED              repeats the random choices of another run
    PAGEBUDDY_PURE=1            tests the uncompiled engine only
    PAGEBUDDY_REQUIRE_COMPILED=1  makes a missing compiled engine an error

Marks: the everyday run leaves out tests marked `soak`, and runs those marked `one_engine` with one
engine. Tests marked `alone` count descriptors, mappings or files; they never run beside other tests.
"""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.util
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
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


class Effort:
    """How much work this run of the tests does.

    everyday   what every change must pass, in minutes: `make test`
    soak       all tests, and longer searches: `make soak`
    hunt       the same with searches that take hours: `make hunt`

    A test asks `pick` for its numbers, and begins random choices with `seed`. That is 0 in a soak, so
    that every soak makes the same choices, and a fresh number otherwise. The end of a run prints it.
    """

    LEVELS = ("everyday", "soak", "hunt")

    def __init__(self) -> None:
        self.level = os.environ.get("PAGEBUDDY_EFFORT", "everyday")
        if self.level not in self.LEVELS:
            raise pytest.UsageError(
                f"PAGEBUDDY_EFFORT is {self.level!r}; give one of {', '.join(self.LEVELS)}"
            )
        # In the environment, so that the workers of pytest-xdist have the same.
        fresh = 0 if self.level == "soak" else secrets.randbelow(10**6)
        self.seed = int(os.environ.setdefault("PAGEBUDDY_SEED", str(fresh)))

    def pick(self, everyday: int, soak: int, hunt: int | None = None) -> int:
        """Return the number for this level; that of a hunt is by default 50 times that of a soak."""
        numbers = (everyday, soak, 50 * soak if hunt is None else hunt)
        return numbers[self.LEVELS.index(self.level)]


EFFORT = Effort()

settings.register_profile(
    "here",
    max_examples=EFFORT.pick(25, 100, 2000),
    stateful_step_count=EFFORT.pick(20, 40, 100),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("here")


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts background jobs with these signals ignored, and the programs that tests start would
    # inherit that. They do not inherit handlers.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
    if hasattr(config, "workerinput"):
        # pytest-xdist runs a thread in each worker, and Python 3.12 warns about a fork beside a thread.
        ignored = "ignore:This process .* is multi-threaded:DeprecationWarning"
        config.addinivalue_line("filterwarnings", ignored)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are collected: there is none, and half a million objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before the marks are compared with `-m`
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that must run alone, and leave out those that an everyday run does not have."""
    kept, left_out = [], []
    for item in items:
        # What a process has open, and what the kernel traces, of which there is one.
        if {"left_behind", "mounted_tracefs"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("alone")
        if item.name.endswith(".Arena.numpy_memory") and not has_numpy_memory():
            item.add_marker(pytest.mark.skip(reason="numpy_memory is not built, or not chosen"))
        is_left_out = EFFORT.level == "everyday" and not is_everyday(item)
        (left_out if is_left_out else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"effort: {EFFORT.level}; PAGEBUDDY_SEED={EFFORT.seed}")


def is_everyday(item: pytest.Item) -> bool:
    """Whether an everyday run has this test."""
    if item.get_closest_marker("soak"):
        return False
    params = getattr(getattr(item, "callspec", None), "params", {})
    if params.get("engine", chosen_engine()) != chosen_engine():
        return item.get_closest_marker("one_engine") is None
    # Every day each engine has its own lock: the uncompiled one has no mutex.
    return (params.get("engine"), params.get("lock")) != ("compiled", "file")


@functools.cache
def chosen_engine() -> str:
    """The engine that `import pagebuddy` chooses."""
    if os.environ.get("PAGEBUDDY_PURE") == "1":
        return "uncompiled"
    return "compiled" if importlib.util.find_spec("pagebuddy._compiled") else "uncompiled"


def has_numpy_memory() -> bool:
    """Whether the arenas of this run have `numpy_memory`."""
    built = importlib.util.find_spec("pagebuddy._numpy") is not None
    return built and chosen_engine() == "compiled"


@pytest.fixture(scope="session")
def effort() -> Effort:
    """How much work this run does."""
    return EFFORT


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


@pytest.fixture(autouse=True, scope="module")
def skipped_by_the_collector() -> None:
    """Let the garbage collector skip the objects that exist before the tests of a file.

    A long run has half a million of them, and many tests collect garbage at each step.
    """
    gc.collect()
    gc.freeze()


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


# Every day one engine spawns, and both fork.
@pytest.fixture(
    params=[
        "fork",
        pytest.param("spawn", marks=pytest.mark.one_engine),
        pytest.param("forkserver", marks=pytest.mark.soak),
    ]
)
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
        # Python 3.15 itself gives this warning in the traceback of an error in a spawned process.
        ours = ("-W", "error", "-W", "ignore:Module globals is missing:DeprecationWarning")
        done = subprocess.run(
            [sys.executable, *ours, programs / f"{name}.py", *arguments],
            env=os.environ | {"PAGEBUDDY_PURE": pure},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    return run_program
