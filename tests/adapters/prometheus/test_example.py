"""The example serves the figures of arenas to which it does not attach."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

pytest.importorskip("prometheus_client")

import pagebuddy
from pagebuddy import Arena

EXAMPLE = Path(__file__).parents[3] / "examples" / "monitoring.py"


def test_a_process_beside_the_others_serves_their_figures(name):
    environment = os.environ | {"PYTHONPATH": str(Path(pagebuddy.__file__).parents[1])}
    with Arena.create(name, "1 MiB") as arena:
        held = arena.alloc(5000)
        child = subprocess.Popen(
            [sys.executable, "-W", "error", EXAMPLE, "0", name],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            with urlopen(child.stdout.readline().strip(), timeout=60) as answer:
                text = answer.read().decode()
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        assert f'pagebuddy_arena_used_bytes{{arena="{name}"}} 8192.0' in text
        assert arena.stats().processes == 1
        del held


def test_the_example_is_short():
    lines = [line for line in EXAMPLE.read_text().splitlines() if line.strip()]
    assert len(lines) < 25
