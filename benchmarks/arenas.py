"""Cases of arenas: allocating and freeing buffers, creating and attaching. Used by `__main__`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.memories import SIZES, others
from pagebuddy.tools.bench.memories import Way, dropped, ours

if TYPE_CHECKING:
    from pagebuddy import Arena
    from pagebuddy.tools.bench.subject import Subject
    from pagebuddy.tools.bench.timing import Case, Timed

ARENA_SIZES = (1 << 30, 64 << 30)


def _written(way: Way, size: int) -> Case:
    """Allocate so many bytes, write each through numpy, and free them."""
    get, end, memory, n = way.get, way.end, way.memory, size // way.unit

    def case(times: int) -> Timed:
        started = perf_counter_ns()
        for _ in repeat(None, times):
            got = get(n)
            np.frombuffer(memory(got), np.uint8).fill(1)
            if end is not None:
                end(got)
            # Free this one before the next is allocated.
            del got
        return {f"{way.name} {size} written": (perf_counter_ns() - started, times)}

    return case


def _made(name: str, make: Callable[[], Arena]) -> Case:
    """Create an arena or attach to one; detaching is not timed."""

    def case(times: int) -> Timed:
        elapsed = touched = 0
        for _ in repeat(None, times):
            before = _resident()
            started = perf_counter_ns()
            arena = make()
            elapsed += perf_counter_ns() - started
            touched += _resident() - before
            del arena
        return {name: (elapsed, times), f"{name} touched": (touched, times)}

    return case


def _resident() -> int:
    """The exact number of resident bytes of this process."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("/proc/self/smaps_rollup has no Rss, so there is no figure")


# Ends when its stdin closes, so when its parent ends.
_OWNER = """
import sys
from importlib import import_module
from pagebuddy import Arena
Arena._engine = import_module(sys.argv[1])
arena = Arena(int(sys.argv[2]), lock=sys.argv[3])
print(arena.fileno(), flush=True)
sys.stdin.read()
"""


def _attached(subject: Subject, size: int) -> Case:
    """Attach to an arena of another process, which stays attached."""
    engine: Any = subject.arena._engine
    lock = "mutex" if subject.compiled else "file"
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, engine.__name__, str(size), lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    fd = os.open(f"/proc/{owner.pid}/fd/{int(owner.stdout.readline())}", os.O_RDWR)
    attach = subject.arena.attach

    def attached() -> Arena:
        # This reference keeps the other process alive as long as the case.
        assert owner.poll() is None
        return attach(fd)

    return _made(f"attach {size}", attached)


def memories(subject: Subject) -> list[Case]:
    """All ways at all sizes; compared cases are neighbours."""
    ways = [*ours(subject), *others()]
    return [case(way, size) for case in (dropped, _written) for size in SIZES for way in ways]


def whole(subject: Subject) -> list[Case]:
    """Creating and attaching to arenas."""
    if sys.platform != "linux":
        return []
    arena = subject.arena
    return [
        *(_made(f"create {size}", lambda size=size: arena(size)) for size in ARENA_SIZES),  # type: ignore[misc]
        *(_attached(subject, size) for size in ARENA_SIZES),
    ]


def all_of(subject: Subject) -> list[Case]:
    """All cases of this file."""
    return [*memories(subject), *whole(subject)]
