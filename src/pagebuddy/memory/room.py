"""How much memory, or how much of a file system, there is to be had.

Asked before room is taken: the system answers a request for more memory than there is by killing
processes, not by an error, and a full disk is everybody's.
"""

from __future__ import annotations

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
OWN_GROUPS = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")


def in_memory(
    meminfo: Path = MEMINFO, own_groups: Path = OWN_GROUPS, groups: Path = GROUPS
) -> int | None:
    """Return how many bytes of memory this process may still use, or None where that is unknown.

    It is what the machine has available or can swap out, and no more than what is left to any of the
    control groups (version 2) that the process is in.
    """
    try:
        rows = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        available, swap = (
            int(rows[name].removesuffix("kB")) << 10 for name in ("MemAvailable", "SwapFree")
        )
    except (OSError, KeyError, ValueError):
        return None
    left = [_left_to(folder) for folder in _groups_of(own_groups, groups)]
    return min([available, *(n for n in left if n is not None)]) + swap


def in_file_system(place: int | str) -> int | None:
    """Return how many bytes a file system has left for us, or None where it knows no limit."""
    figures = os.statvfs(place)
    return figures.f_bavail * figures.f_frsize if figures.f_blocks else None


def _groups_of(own_groups: Path, groups: Path) -> list[Path]:
    """The folders of this process's control group and of all those above it."""
    try:
        lines = os.fsdecode(own_groups.read_bytes()).split("\n")
    except OSError:
        return []
    own = next((line[len("0::/") :] for line in lines if line.startswith("0::/")), None)
    if own is None:
        return []
    folder = groups / own
    return [folder, *(above for above in folder.parents if above.is_relative_to(groups))]


def _left_to(folder: Path) -> int | None:
    """What a control group may still use, the pages of files that it can drop included."""
    try:
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        rows = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        dropped = int(rows["inactive_file"]) + int(rows["active_file"])
    except (OSError, KeyError, ValueError):
        # No such group, or no limit ("max").
        return None
    return max(limit - used + dropped, 0)
