"""The example of polars frames does what it says, in processes of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("polars")
pytest.importorskip("pyarrow")

EXAMPLE = Path(__file__).parents[3] / "examples" / "polars_frames.py"


def test_workers_read_parts_of_a_frame_and_return_frames():
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLE, "12"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "[0.0, 0.5, 1.0]",
        "[1.5, 2.0, 2.5]",
        "[3.0, 3.5, 4.0]",
        "[4.5, 5.0, 5.5]",
    ]


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) < 25
