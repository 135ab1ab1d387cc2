"""Describes the machine for the tables of benchmarks."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path


def described() -> dict[str, object]:
    """The machine and software, ready for JSON."""
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": _load(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _load() -> float | None:
    """The load average of the last minute; above 1, other programs were running."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None
