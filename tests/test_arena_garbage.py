"""An arena in a cycle that only the garbage collector ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy

# In a process of its own, as what is wrong here ends the process.
CYCLES = """
import gc, os
from pathlib import Path
from pagebuddy import Arena
gc.disable()

def left():
    return len(os.listdir("/proc/self/fd")), Path("/proc/self/maps").read_text().count("memfd")

before = left()
for _ in range(20):
    arena = Arena("1 MiB")
    cycle = [arena, arena.alloc(5).view, arena.stats()][:KEPT]
    cycle.append(cycle)
    del arena, cycle
    gc.collect()
print(left() == before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what is left is counted in /proc")
@pytest.mark.parametrize("kept", [1, 2])
def test_the_collector_ends_an_arena_and_all_that_it_had(engine, kept):
    environment = dict(os.environ, PYTHONPATH=str(Path(pagebuddy.__file__).parents[1]))
    environment["PAGEBUDDY_PURE"] = "1" if engine == "uncompiled" else "0"
    program = CYCLES.replace("KEPT", str(kept))
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "True\n", "")
