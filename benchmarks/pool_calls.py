"""Cases of calls in pools of two workers: what a call takes, a start, and idle workers. By `pools`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from benchmarks.executors import (
    N_WORKERS,
    Pool,
    inverted,
    looked_at,
    makers,
    process_id,
    same,
    summed,
)
from pagebuddy import Arena

if TYPE_CHECKING:
    from pagebuddy.tools.bench.timing import Case, Timed

CALL_BYTES = 1 << 20
CHUNK = 64
IDLE_S = 1.0
FRAME_ROWS, FRAME_COLUMNS = 500_000, 10

OURS = "ArenaExecutor"


@contextmanager
def all_pools(arena: Arena) -> Iterator[dict[str, Pool]]:
    """Make all pools, and use each once. They end with the block."""
    pools = {name: make() for name, make in makers(arena).items()}
    try:
        for pool in pools.values():
            deque(pool.results(same, range(100)), maxlen=0)
        yield pools
    finally:
        for pool in pools.values():
            pool.close()


def short_calls(pools: dict[str, Pool], n_calls: int) -> Iterator[Case]:
    """Ints there and back, in a map."""
    for name, pool in pools.items():
        yield _mapped(f"{name} ints", pool, same, lambda n: range(n), n_calls)


def single_calls(pools: dict[str, Pool]) -> Iterator[Case]:
    """An int there and back, and only then the next one."""
    for name, pool in pools.items():
        yield _single(f"{name} single", pool)


def many_calls(pools: dict[str, Pool], n_calls: int) -> Iterator[Case]:
    """So many tiny calls, one at a time as far as the pool does so, and in chunks."""
    for name, pool in pools.items():
        yield _mapped(f"{name} many", pool, same, lambda n: range(n), n_calls, once=True)
        yield _mapped(
            f"{name} chunks", pool, same, lambda n: range(n), n_calls, once=True, chunksize=CHUNK
        )


def array_calls(pools: dict[str, Pool], arena: Arena, n_calls: int) -> Iterator[Case]:
    """Arrays of 1 MiB: to nothing, and to another array."""
    private = np.full(CALL_BYTES, 1, np.uint8)
    ours = pools[OURS]
    there = arena.copy(private)
    for what, function in (("looked at", looked_at), ("inverted", inverted)):

        def arrays(n: int, array: Any = private) -> Iterable[Any]:
            return repeat(array, n)

        yield _mapped(
            f"{OURS} {what} in place", ours, function, lambda n: repeat(there, n), n_calls
        )
        yield _mapped(
            f"{OURS} {what} in chunks",
            ours,
            function,
            lambda n: repeat(there, n),
            n_calls,
            chunksize=16,
        )
        for name, pool in pools.items():
            yield _mapped(f"{name} {what}", pool, function, arrays, n_calls)


def frame_calls(pools: dict[str, Pool], arena: Arena) -> Iterator[Case]:
    """A data frame of 38 MB."""
    numbers = np.random.default_rng(5).random((FRAME_ROWS, FRAME_COLUMNS))
    columns = [f"c{i}" for i in range(FRAME_COLUMNS)]
    private = pd.DataFrame(numbers, columns=columns)
    with arena.numpy_memory():
        there = pd.DataFrame(numbers.copy(), columns=columns)
    yield _mapped(f"{OURS} frame in place", pools[OURS], summed, lambda n: repeat(there, n), 2)
    for name, pool in pools.items():
        yield _mapped(f"{name} frame", pool, summed, lambda n: repeat(private, n), 2)


def starts(arena: Arena) -> Iterator[Case]:
    """A new pool, a call in each worker, and the end of the pool, while the fork server is up."""
    for name, make in makers(arena).items():
        yield _start(name, make)


def idle_workers(pools: dict[str, Pool]) -> Iterator[Case]:
    """Processor time of two workers that wait."""
    for name, pool in pools.items():
        yield _idle(name, pool)


def _mapped(
    name: str,
    pool: Pool,
    function: Callable[[Any], Any],
    items: Callable[[int], Iterable[Any]],
    n_calls: int,
    *,
    once: bool = False,
    chunksize: int | None = None,
) -> Case:
    def case(times: int) -> Timed:
        n = n_calls if once else times * n_calls
        started = perf_counter_ns()
        # Results are dropped one by one, so that memory suffices.
        done = sum(1 for _ in pool.results(function, items(n), chunksize))
        elapsed = perf_counter_ns() - started
        if done != n:
            raise RuntimeError(f"{name}: {done} results of {n}")
        return {name: (elapsed, n)}

    return case


def _single(name: str, pool: Pool) -> Case:
    def case(times: int) -> Timed:
        started = perf_counter_ns()
        for number in range(times):
            if pool.single(same, number) != number:
                raise RuntimeError(f"{name}: wrong result")
        return {name: (perf_counter_ns() - started, times)}

    return case


def _start(name: str, make: Callable[[], Pool]) -> Case:
    def case(_: int) -> Timed:
        started = perf_counter_ns()
        pool = make()
        deque(pool.results(same, range(N_WORKERS)), maxlen=0)
        begun = perf_counter_ns()
        pool.close()
        return {
            f"{name} start": (begun - started, 1),
            f"{name} end": (perf_counter_ns() - begun, 1),
        }

    return case


def _idle(name: str, pool: Pool) -> Case:
    def case(_: int) -> Timed:
        workers = sorted(set(pool.results(process_id, range(40))))
        before = _processor_ns(workers)
        time.sleep(IDLE_S)
        return {f"{name} idle": (_processor_ns(workers) - before, 1)}

    return case


def _processor_ns(processes: Iterable[int]) -> int:
    """Nanoseconds that all threads of processes have run so far."""
    return sum(
        int(path.read_text().split()[0])
        for process in processes
        for path in Path(f"/proc/{process}/task").glob("*/schedstat")
    )
