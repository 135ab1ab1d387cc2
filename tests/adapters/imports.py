"""What a program says that imports an adapter whose framework is missing or too old."""

from __future__ import annotations

import subprocess
import sys


def refusal_of(program: str) -> str:
    """Run a program that ends with an ImportError, and return its message."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    return last
