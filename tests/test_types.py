"""What a user's type checker says of programs that use the public names: `mypy --strict`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy

pytest.importorskip("mypy")

pytestmark = pytest.mark.soak  # every day `make types` checks the package and the examples

SOURCE = Path(pagebuddy.__file__).parents[1]
EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))

# Each line as a user may write it. What it is said to be stands behind it.
PROGRAM = """
import pagebuddy as pb

arena = pb.Arena("1 MiB")
buffer = arena.alloc(100, keep="a", zero=True)
reveal_type(buffer)  # pagebuddy.buffer.Buffer
reveal_type(memoryview(buffer)[0])  # int
reveal_type(bytes(buffer.view))  # bytes
reveal_type(buffer.resize(5))  # bool
reveal_type(arena["a"])  # pagebuddy.buffer.Buffer
reveal_type(arena.stats().largest_free)  # int
reveal_type([row.offset for row in arena.buffers()])  # list[int]
reveal_type([row.pid for row in arena.processes()])  # list[int]
reveal_type(arena.dumps([1]))  # bytes
reveal_type(arena.queue())  # pagebuddy.exchange.queue.ArenaQueue
with arena.record("trace.csv") as recording:
    reveal_type(recording.events)  # int
with pb.Arena.open("name", "1 GiB", slots=112) as other, pb.ArenaExecutor(2, arena=other) as pool:
    reveal_type(pool.submit(len, [1]).result())  # int
buddy = pb.BuddyAllocator(pb.PageRanges([(1, 64)]), max_order=3)
reveal_type(buddy.alloc(5, above=1))  # int
reveal_type(list(buddy.spans()))  # list[tuple[int, int]]
reveal_type(pb.BuddyAllocator.attach(buddy.metadata).stats().free_blocks)  # tuple[int, ...]
try:
    buddy.alloc(100)
except pb.OutOfPages as error:
    reveal_type(error.largest_free)  # int
"""

WRONG = """
import pagebuddy as pb

arena = pb.Arena("1 MiB")
arena.alloc(b"5")
arena.alloc(5).resize(nbytes=5)
pb.BuddyAllocator(64).alloc("5")
pb.BuddyAllocator(64).alloc_order(order=3)
pb.Arena(5.0)
arena.alloc(5).nbytes = 7
"""


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Runs it as a user does, with no configuration of ours: the lines that it prints."""
    cache = tmp_path_factory.mktemp("cache")

    def run(*files):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-pretty"),
                *("--cache-dir", cache, "--hide-error-context", "--no-error-summary", *files),
            ],
            cwd=cache,
            env=os.environ | {"MYPYPATH": str(SOURCE)},
            capture_output=True,
            text=True,
            timeout=250,
        )
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()

    return run


def test_the_examples_are_clean(mypy):
    assert len(EXAMPLES) == 3
    assert mypy(*EXAMPLES) == (0, [])


def test_what_is_returned_is_known(mypy, tmp_path):
    path = tmp_path / "user.py"
    path.write_text(PROGRAM)
    code, lines = mypy(path)
    expected = [line.split("  # ")[1] for line in PROGRAM.splitlines() if "  # " in line]
    assert [line.split('Revealed type is "')[1].rstrip('"') for line in lines] == expected
    assert code == 0


def test_what_is_wrong_is_found(mypy, tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(WRONG)
    code, lines = mypy(path)
    wrong = [line for line in lines if ": error: " in line]
    assert code == 1
    assert [int(line.split(":")[1]) for line in wrong] == list(range(5, 11)), wrong
