"""The arenas of jobs end with them, and the example runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy.memory.named import FOLDER

np = pytest.importorskip("numpy")
ray = pytest.importorskip("ray")

import pagebuddy.adapters.ray as adapter  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "ray_actors.py"


def ours() -> set[str]:
    return {path for path in os.listdir(FOLDER) if path.startswith(adapter._PREFIX)}


@pytest.fixture
def environment():
    return os.environ | {"PYTHONPATH": str(Path(pagebuddy.__file__).parents[1])}


def test_the_example_runs_and_removes_its_arena(cluster, environment):
    before = ours()
    program = EXAMPLE.read_text().replace(
        "ray.init(num_cpus=1, include_dashboard=False, ", "ray.init("
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"RAY_ADDRESS": cluster.address},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"({i}.0, False)" for i in range(3)]
    assert ours() == before
    assert len(EXAMPLE.read_text().splitlines()) < 25


ATTACHED = """
import sys, pagebuddy
arena = pagebuddy.Arena.open(sys.argv[1], "1 MiB")
print("attached", flush=True)
sys.stdin.read()
"""


def test_the_arena_of_a_job_whose_processes_were_killed_is_removed_and_no_other(environment):
    name = f"{adapter._PREFIX}{os.geteuid()}-of-a-test-{os.getpid()}"
    process = subprocess.Popen(
        [sys.executable, "-c", ATTACHED, name],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "attached\n"
        adapter._remove_unused()
        assert name in ours()
        process.send_signal(signal.SIGKILL)
    adapter._remove_unused()
    assert name not in ours()


def test_actors_and_the_program_use_one_arena_which_is_sparse(arena):
    path = Path(FOLDER, arena._open.medium.place)
    assert path.name == f"{adapter._name_here()}"
    assert path.stat().st_blocks * 512 < path.stat().st_size // 10
    assert (path.stat().st_mode & 0o777, path.stat().st_uid) == (0o600, os.geteuid())
