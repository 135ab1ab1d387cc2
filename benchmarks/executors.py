"""The pools of processes that are measured, with one interface. Used by `pool_calls`.

All have two workers that stay alive, and are started by the fork server where they can choose; loky
starts its own. What is not installed is left out. The functions that they call are here as well.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from pagebuddy import Arena, ArenaExecutor

N_WORKERS = 2
STARTED = multiprocessing.get_context("forkserver")
# So that no worker has to import what the main module, `pools`, imports.
STARTED.set_forkserver_preload(["benchmarks.pool_rows", "benchmarks.report", "benchmarks.machine"])


def same(number: int) -> int:
    """Return an argument."""
    return number


def looked_at(array: Any) -> None:
    """Read one byte of an array."""
    if array[-1] != 1:
        raise RuntimeError("the array is not what was sent")


def inverted(array: Any) -> Any:
    """Return a new array."""
    return np.invert(array)


def summed(frame: Any) -> float:
    """Read a column of a data frame."""
    return float(frame["c0"].sum())


def process_id(_: object) -> int:
    """Return which worker this is, after some time, so that each has a turn."""
    time.sleep(0.005)
    return os.getpid()


class Pool(Protocol):
    """What all pools can do."""

    name: str

    def results(
        self, function: Callable[[Any], Any], items: Iterable[Any], chunksize: int | None = None
    ) -> Iterator[Any]:
        """Call a function for each item; yield the results in order."""
        ...

    def single(self, function: Callable[[Any], Any], item: Any) -> Any:
        """Call a function once; return its result."""
        ...

    def close(self) -> None:
        """End the workers."""
        ...


class OfFutures:
    """A pool of `concurrent.futures` or with its interface."""

    def __init__(self, name: str, executor: Executor) -> None:
        self.name = name
        self.executor = executor

    def results(
        self, function: Callable[[Any], Any], items: Iterable[Any], chunksize: int | None = None
    ) -> Iterator[Any]:
        """Call a function for each item; yield the results in order."""
        options = {} if chunksize is None else {"chunksize": chunksize}
        return self.executor.map(function, items, **options)

    def single(self, function: Callable[[Any], Any], item: Any) -> Any:
        """Call a function once; return its result."""
        return self.executor.submit(function, item).result()

    def close(self) -> None:
        """End the workers."""
        self.executor.shutdown()


class OfMultiprocessing:
    """`multiprocessing.Pool`; its `imap` yields results as they come."""

    name = "multiprocessing.Pool"

    def __init__(self) -> None:
        self.pool = STARTED.Pool(N_WORKERS)

    def results(
        self, function: Callable[[Any], Any], items: Iterable[Any], chunksize: int | None = None
    ) -> Iterator[Any]:
        """Call a function for each item; yield the results in order."""
        return self.pool.imap(function, items, chunksize or 1)

    def single(self, function: Callable[[Any], Any], item: Any) -> Any:
        """Call a function once; return its result."""
        return self.pool.apply(function, (item,))

    def close(self) -> None:
        """End the workers."""
        self.pool.close()
        self.pool.join()


class OfJoblib:
    """`joblib.Parallel` with loky, which joins short calls by itself."""

    name = "joblib.Parallel"

    def __init__(self) -> None:
        joblib = import_module("joblib")
        self.delayed = joblib.delayed
        self.make = joblib.Parallel

    def results(
        self, function: Callable[[Any], Any], items: Iterable[Any], chunksize: int | None = None
    ) -> Iterator[Any]:
        """Call a function for each item; yield the results in order."""
        parallel = self.make(N_WORKERS, return_as="generator", batch_size=chunksize or "auto")
        call = self.delayed(function)
        results: Iterator[Any] = parallel(call(item) for item in items)
        return results

    def single(self, function: Callable[[Any], Any], item: Any) -> Any:
        """Call a function once; return its result."""
        return next(self.results(function, [item]))

    def close(self) -> None:
        """End the workers."""
        import_module("joblib.externals.loky").get_reusable_executor().shutdown()


class OfMpire:
    """`mpire.WorkerPool`; it would unpack an item that can be iterated over."""

    name = "mpire"

    def __init__(self) -> None:
        make = import_module("mpire").WorkerPool
        self.pool = make(N_WORKERS, start_method="forkserver", keep_alive=True)

    def results(
        self, function: Callable[[Any], Any], items: Iterable[Any], chunksize: int | None = None
    ) -> Iterator[Any]:
        """Call a function for each item; yield the results in order."""
        packed = [(item,) for item in items]
        results: Iterator[Any] = self.pool.imap(function, packed, chunk_size=chunksize or 1)
        return results

    def single(self, function: Callable[[Any], Any], item: Any) -> Any:
        """Call a function once; return its result."""
        return self.pool.apply(function, (item,))

    def close(self) -> None:
        """End the workers."""
        self.pool.stop_and_join()


def arena_executor(arena: Arena) -> OfFutures:
    """Make an `ArenaExecutor`."""
    return OfFutures("ArenaExecutor", ArenaExecutor(N_WORKERS, STARTED, arena=arena))


def process_pool_executor() -> OfFutures:
    """Make Python's own pool."""
    return OfFutures("ProcessPoolExecutor", ProcessPoolExecutor(N_WORKERS, STARTED))


def makers(arena: Arena) -> dict[str, Callable[[], Pool]]:
    """How to make each pool that is installed."""
    found: dict[str, Callable[[], Pool]] = {
        "ArenaExecutor": lambda: arena_executor(arena),
        "ProcessPoolExecutor": process_pool_executor,
        OfMultiprocessing.name: OfMultiprocessing,
    }
    for package, make in (("joblib", OfJoblib), ("mpire", OfMpire)):
        try:
            import_module(package)
        except ImportError:
            continue
        found[make.name] = make
    return found
