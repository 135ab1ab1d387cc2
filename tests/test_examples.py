"""The examples do what they say, each in processes of its own, compiled and uncompiled."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy

pytest.importorskip("numpy")

EXAMPLES = Path(__file__).parents[1] / "examples"

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="arenas are shared on Linux alone")


@pytest.fixture
def run(engine):
    """Run an example to its end: its status, what it prints, and what it complains about."""
    environment = dict(os.environ, PYTHONPATH=str(Path(pagebuddy.__file__).parents[1]))
    environment["PAGEBUDDY_PURE"] = "1" if engine == "uncompiled" else "0"

    def run(example, *arguments):
        finished = subprocess.run(
            [sys.executable, "-W", "error", EXAMPLES / f"{example}.py", *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return finished.returncode, finished.stdout.splitlines(), finished.stderr

    return run


@on_linux
def test_workers_fill_one_array_in_place(run):
    status, printed, complaints = run("anonymous")
    assert (status, complaints) == (0, "")
    first, last = printed
    assert first == "4 workers filled 9600000 bytes; the last row is 34.627"
    assert last == "0 bytes in use"


@on_linux
def test_strangers_meet_by_name_and_key(run):
    name = f"pagebuddy-examples-{secrets.token_hex(8)}"
    try:
        status, _, complaints = run("named", name, "read")
        assert (status, complaints) == (
            1,
            "there is no array named weights yet: run `write` first\n",
        )
        for _ in range(2):
            assert run("named", name, "write") == (0, ["kept 8000000 bytes as weights"], "")
            assert run("named", name, "read") == (0, ["1000000 numbers up to 1.0"], "")
    finally:
        assert run("named", name, "remove") == (0, ["removed"], "")
    assert not Path("/dev/shm", name).exists()


@on_linux
def test_a_store_survives_its_runs(run, tmp_path):
    store = tmp_path / "store.pb"
    assert run("file", store) == (0, ["kept run 1; 4096 bytes in use"], "")
    found = ["run 1: 1000 values up to 999"]
    assert run("file", store) == (0, [*found, "kept run 2; 12288 bytes in use"], "")
    found.append("run 2: 2000 values up to 1999")
    assert run("file", store) == (0, [*found, "kept run 3; 24576 bytes in use"], "")


@pytest.mark.parametrize("example", ["named", "file"])
def test_an_example_called_wrongly_says_how(run, example):
    status, printed, complaints = run(example)
    assert (status, printed) == (1, [])
    assert f"python examples/{example}.py" in complaints


def test_examples_are_short():
    for example in EXAMPLES.glob("*.py"):
        assert len(example.read_text().splitlines()) < 40, example.name
