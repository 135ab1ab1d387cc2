"""Ways to get memory and to let go of it: an arena's, and what everybody has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from multiprocessing.shared_memory import SharedMemory
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pagebuddy.tools.bench.subject import Subject
    from pagebuddy.tools.bench.timing import Case, Timed


def _itself(memory: Any) -> Any:
    return memory


@dataclass(frozen=True)
class Way:
    """A way to get so many bytes."""

    name: str
    get: Callable[[int], Any]
    unit: int = 1
    """How many bytes `get` gives for each 1 that it is called with."""

    end: Callable[[Any], object] | None = None
    """What else is to be done than to drop what `get` returned."""

    memory: Callable[[Any], Any] = _itself
    """The buffer that `get` returned, or returned something around."""


def ours(subject: Subject) -> list[Way]:
    """Buffers and arrays of one arena, whose pages stay warm."""
    arena = subject.arena("1 GiB")
    # Uncompiled before Python 3.12 a buffer is no exporter itself.
    return [
        Way("alloc", arena.alloc, memory=lambda buffer: buffer.view),
        Way("empty", arena.empty, unit=8),
    ]


def numpy_memory() -> Way:
    """An array of this process alone."""
    return Way("np.empty", np.empty, unit=8)


def shared_memory() -> Way:
    """A segment with a name."""
    return Way("SharedMemory", _shared_memory, end=_unlink, memory=lambda memory: memory.buf)


def _shared_memory(n: int) -> SharedMemory:
    return SharedMemory(create=True, size=n)


def _unlink(memory: SharedMemory) -> None:
    memory.close()
    memory.unlink()


def dropped(way: Way, size: int) -> Case:
    """Get so many bytes and let go of them, untouched."""
    get, end, n = way.get, way.end, size // way.unit

    def case(times: int) -> Timed:
        started = perf_counter_ns()
        if end is None:
            for _ in repeat(None, times):
                get(n)
        else:
            for _ in repeat(None, times):
                end(get(n))
        return {f"{way.name} {size}": (perf_counter_ns() - started, times)}

    return case
