"""joblib's own tests of `Parallel` pass for this backend.

The program lists what is left out, and why.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("joblib")
pytest.importorskip("joblib.test.test_parallel")

# So many at least. Other versions of joblib have more of them, or fewer.
LEAST = {"short": 15, "all": 600}


@pytest.mark.parametrize("part", ["short", pytest.param("all", marks=pytest.mark.soak)])
@pytest.mark.timeout(900)
def test_the_tests_of_joblib(part):
    program = Path(__file__).parent / "programs" / "tests_of_joblib.py"
    done = subprocess.run([sys.executable, program, part], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
    assert int(done.stdout.split()[-2]) >= LEAST[part]
