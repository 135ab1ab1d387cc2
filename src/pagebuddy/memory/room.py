"""How much memory, and how much of a file system, is still available.

Checked before memory is reserved: if a process requests more memory than there is, Linux does not
return an error but kills a process; and a request that fills a disk affects all its users.
"""

from __future__ import annotations

import os

from pagebuddy.memory.kernel_files import Path, bytes_in, text_in

MEMINFO = "/proc/meminfo"
OWN_GROUPS = "/proc/self/cgroup"
GROUPS = "/sys/fs/cgroup"


def in_memory(
    meminfo: Path = MEMINFO, own_groups: Path = OWN_GROUPS, groups: Path = GROUPS
) -> int | None:
    """Return how many bytes of memory this process can still use, or None if that is unknown.

    Counts the machine's available memory and free swap space. The limits of the process's control
    groups (version 2) apply to the memory.
    """
    try:
        rows = dict(line.split(":", 1) for line in text_in(meminfo).splitlines())
        available, swap = (
            int(rows[name].removesuffix("kB")) << 10 for name in ("MemAvailable", "SwapFree")
        )
    except (OSError, KeyError, ValueError):
        return None
    left = [_left_to(folder) for folder in _groups_of(own_groups, groups)]
    return min([available, *(n for n in left if n is not None)]) + swap


def in_file_system(place: int | str) -> int | None:
    """Return how many bytes are free in a file system, or None if it has no limit.

    `place` is a path in it, or a file descriptor of a file in it.
    """
    figures = os.statvfs(place)
    return figures.f_bavail * figures.f_frsize if figures.f_blocks else None


def _groups_of(own_groups: Path, groups: Path) -> list[str]:
    """The folders of this process's control group and of all groups above it."""
    try:
        lines = os.fsdecode(bytes_in(own_groups)).split("\n")
    except OSError:
        return []
    own = next((line[len("0::/") :] for line in lines if line.startswith("0::/")), None)
    if own is None:
        return []
    names = own.split("/")
    return [os.path.join(groups, *names[:n]) for n in range(len(names) + 1)]


def _left_to(folder: str) -> int | None:
    """How many bytes a control group can still use, including cached file pages that can be dropped."""
    try:
        limit = int(text_in(f"{folder}/memory.max"))
        used = int(text_in(f"{folder}/memory.current"))
        rows = dict(line.split() for line in text_in(f"{folder}/memory.stat").splitlines())
        dropped = int(rows["inactive_file"]) + int(rows["active_file"])
    except (OSError, KeyError, ValueError):
        # There is no such group, or its limit is "max", which means none.
        return None
    return max(limit - used + dropped, 0)
