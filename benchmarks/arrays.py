"""Cases of arrays: new ones, sending them, and mapping over them in a Pool. Used by `data`."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from itertools import repeat
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from pagebuddy.tools.bench.partner import STARTED
from pagebuddy.tools.terminal.signals import end_with_parent

if TYPE_CHECKING:
    from pagebuddy import Arena
    from pagebuddy.tools.bench.timing import Case, Timed

SIZES = (64 << 10, 1 << 20)
"""Bytes of the arrays that are made and sent."""

N_WORKERS = 2
N_MAPPED, MAPPED_BYTES = 8, 16 << 20


def repeated(name: str, call: Callable[[], object]) -> Case:
    """Make a call again and again."""

    def case(times: int) -> Timed:
        started = perf_counter_ns()
        for _ in repeat(None, times):
            call()
        return {name: (perf_counter_ns() - started, times)}

    return case


def made(arena: Arena) -> Iterator[Case]:
    """Make an array and drop it, in the arena and in numpy's own memory."""
    for size in SIZES:
        n = size // 8
        yield repeated(f"arena.empty {size}", lambda n=n: arena.empty(n))  # type: ignore[misc]
        yield repeated(f"np.empty {size}", lambda n=n: np.empty(n))  # type: ignore[misc]
        yield repeated(f"arena.zeros {size}", lambda n=n: arena.zeros(n))  # type: ignore[misc]
        yield repeated(f"np.zeros {size}", lambda n=n: np.zeros(n))  # type: ignore[misc]


def sent(arena: Arena) -> Iterator[Case]:
    """Turn an array into bytes and back."""
    for size in SIZES:
        there, own = arena.zeros(size // 8), np.zeros(size // 8)
        yield repeated(f"arena.dumps {size}", lambda it=there: arena.loads(arena.dumps(it)))  # type: ignore[misc]
        yield repeated(f"pickle.dumps {size}", lambda it=own: pickle.loads(pickle.dumps(it, 5)))  # type: ignore[misc]


def mapped(arena: Arena) -> Iterator[Case]:
    """Map a function that reads a number of every page over arrays, in a `multiprocessing.Pool`."""
    pool = STARTED.Pool(N_WORKERS, end_with_parent)
    own = [np.ones(MAPPED_BYTES // 8) for _ in range(N_MAPPED)]
    there = [arena.copy(array) for array in own]
    for name, arrays in (("arena", there), ("pickle", own)):
        yield _map(f"Pool.map {name}", pool, arrays)


def _map(name: str, pool: Any, arrays: list[Any]) -> Case:
    def case(times: int) -> Timed:
        started = perf_counter_ns()
        for _ in repeat(None, times):
            if sum(pool.map(_read, arrays, chunksize=1)) != N_MAPPED * MAPPED_BYTES // 4096:
                raise RuntimeError(f"{name}: the results are wrong")
        return {name: (perf_counter_ns() - started, times * N_MAPPED)}

    return case


def _read(array: Any) -> int:
    return int(array[:: 4096 // 8].sum())


def all_of(arena: Arena) -> list[Case]:
    """All cases of this file."""
    return [*made(arena), *sent(arena), *mapped(arena)]
