"""Ways to allocate and free memory. Used by `core_rows` and `benchmarks/`."""

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
    """A way to allocate memory."""

    name: str
    get: Callable[[int], Any]
    unit: int = 1
    """The size in bytes of the unit in which `get` counts."""

    end: Callable[[Any], object] | None = None
    """Frees the result of `get`, if dropping it is not enough."""

    memory: Callable[[Any], Any] = _itself
    """The memory of the result of `get`, as an object with the buffer protocol."""


def ours(subject: Subject) -> list[Way]:
    """Buffers and arrays of one arena."""
    arena = subject.arena("1 GiB")
    # Uncompiled before Python 3.12, a buffer does not support the buffer protocol itself.
    return [
        Way("alloc", arena.alloc, memory=lambda buffer: buffer.view),
        Way("empty", arena.empty, unit=8),
    ]


def numpy_memory() -> Way:
    """A private array."""
    return Way("np.empty", np.empty, unit=8)


def shared_memory() -> Way:
    """A named segment of shared memory."""
    return Way("SharedMemory", _shared_memory, end=_unlink, memory=lambda memory: memory.buf)


def _shared_memory(n: int) -> SharedMemory:
    return SharedMemory(create=True, size=n)


def _unlink(memory: SharedMemory) -> None:
    memory.close()
    memory.unlink()


def dropped(way: Way, size: int) -> Case:
    """Allocate and free so many bytes without touching them."""
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
