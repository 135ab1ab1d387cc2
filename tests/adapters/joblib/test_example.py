"""The example does what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("joblib")

EXAMPLE = Path(__file__).parents[3] / "examples" / "joblib_loop.py"


def test_the_example_smooths_signals():
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLE], capture_output=True, text=True, timeout=120
    )
    sizes = ["(8, 250000) 1.0", "(8, 250000) 0.5", "(8, 250000) 0.25", "(8, 250000) 0.12"]
    assert (done.stdout.splitlines(), done.stderr) == (sizes, "")


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) < 25
