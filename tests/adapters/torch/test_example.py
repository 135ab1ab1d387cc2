"""The example runs, with each engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy

pytest.importorskip("torch")
pytest.importorskip("numpy")

EXAMPLE = Path(__file__).parents[3] / "examples" / "torch_loader.py"


def test_a_model_is_trained(engine):
    environment = dict(os.environ, PYTHONPATH=str(Path(pagebuddy.__file__).parents[1]))
    environment["PAGEBUDDY_PURE"] = "1" if engine == "uncompiled" else "0"
    done = subprocess.run(
        [sys.executable, EXAMPLE, "2"], env=environment, capture_output=True, text=True, timeout=200
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first.startswith("epoch 0: 4 batches in <Arena of ")
    assert second.startswith("epoch 1: 4 batches in <Arena of ")
    assert len(EXAMPLE.read_text().splitlines()) < 25
