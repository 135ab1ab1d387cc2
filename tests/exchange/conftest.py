"""Programs that run by themselves, as a user's would, by either engine and any start method."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"


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
def run(engine: str) -> Callable[..., str]:
    """Runs a program to its end; returns what it printed. It must succeed, with nothing on stderr."""

    def run_program(name: str, *arguments: str) -> str:
        pure = "1" if engine == "uncompiled" else "0"
        done = subprocess.run(
            [sys.executable, "-W", "error", PROGRAMS / f"{name}.py", *arguments],
            env=os.environ | {"PAGEBUDDY_PURE": pure},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    return run_program
