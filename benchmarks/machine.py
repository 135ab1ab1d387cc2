"""Where and with what it was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import pagebuddy

ROOT = Path(__file__).resolve().parent.parent


def described() -> dict[str, object]:
    """What a reader needs to judge the figures, as it goes into the JSON."""
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": _load(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {
            "pagebuddy": pagebuddy.__version__,
            "numpy": np.__version__,
            "Cython": _installed("Cython"),
            "iceoryx2": _installed("iceoryx2"),
            "joblib": _installed("joblib"),
        },
    }


def _commit() -> str | None:
    """The commit that was measured, with a plus sign where files had changed since."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        return commit + "+" if _git("status", "--porcelain") else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    finished = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return finished.stdout.strip()


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _load() -> float | None:
    """How many were at work in the last minute: above 1, others shared the caches."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
