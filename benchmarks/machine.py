"""Describes the machine, the commit and the versions. Used by `__main__`."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import pagebuddy
from pagebuddy.tools.bench import machine as on_machine

ROOT = Path(__file__).resolve().parent.parent


def described() -> dict[str, object]:
    """The circumstances of the measurement, ready for JSON."""
    return {
        "commit": _commit(),
        **on_machine.described(),
        "versions": {
            "pagebuddy": pagebuddy.__version__,
            "numpy": np.__version__,
            "Cython": _installed("Cython"),
            "iceoryx2": _installed("iceoryx2"),
            "joblib": _installed("joblib"),
            "mpire": _installed("mpire"),
            "pandas": _installed("pandas"),
            "diskcache": _installed("diskcache"),
            "torch": _installed("torch"),
            "ray": _installed("ray"),
        },
    }


def _commit() -> str | None:
    """The measured commit, with a plus sign if the working tree has changes."""
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


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
