"""The cases that the verb `bench` measures, and the rows of its table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pagebuddy import Arena
from pagebuddy.tools.bench import loops
from pagebuddy.tools.bench.figures import RATIO, Row
from pagebuddy.tools.bench.handovers import in_place, pipe, trips_of
from pagebuddy.tools.bench.memories import dropped, numpy_memory, ours, shared_memory
from pagebuddy.tools.terminal.units import in_bytes

if TYPE_CHECKING:
    from pagebuddy.tools.bench.subject import Subject
    from pagebuddy.tools.bench.timing import Case

_GOT = 64 << 10
_HANDED = 16 << 20
_ARENA = "64 MiB"


def cases_of(subject: Subject) -> list[Case]:
    """All cases; compared cases are neighbours. Starts other processes for some."""
    arenas, *_ = ours(subject)
    ways = (arenas, numpy_memory(), shared_memory())
    cases = [
        *loops.pinned([subject]),
        *loops.fill_and_drain([subject]),
        *(dropped(way, _GOT) for way in ways),
    ]
    if sys.platform == "linux":
        arena = Arena(_ARENA)
        cases += [trips_of(way, _HANDED) for way in (in_place(arena), pipe())]
    return cases


def rows_for(subject: Subject) -> list[Row]:
    """The rows of the table in order. `figures` leaves out rows without samples."""
    engine = "The engine in a native loop"
    got = f"Allocating and freeing {in_bytes(_GOT)}, untouched"
    handed = f"Sending {in_bytes(_HANDED)} to another process, with an answer"
    pinned, fill, drain = (subject.of(part) for part in ("pinned", "fill", "drain"))
    arena, numpy, segment = (f"{name} {_GOT}" for name in ("alloc", "np.empty", "SharedMemory"))
    handle, pickle = (f"{name} {_HANDED} trip" for name in ("handle", "Pipe"))
    return [
        Row(engine, "alloc or free of a page", "ns", (pinned,)),
        Row(engine, f"alloc and free of {subject.n_pages:,} pages", "ns/page", (fill, drain)),
        Row(got, "arena.alloc", "ns", (arena,)),
        Row(got, "np.empty", "ns", (numpy,)),
        Row(got, "SharedMemory", "µs", (segment,), scale=1e-3),
        Row(got, "SharedMemory over arena.alloc", RATIO, (segment,), (arena,)),
        Row(handed, "a buffer of an arena, in place", "ms", (handle,), scale=1e-6),
        Row(handed, "an array through a Pipe", "ms", (pickle,), scale=1e-6),
        Row(handed, "Pipe over in place", RATIO, (pickle,), (handle,)),
    ]
