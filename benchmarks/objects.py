"""Measure reading and setting objects by key beside pickle and diskcache; print a table.

    python -m benchmarks.objects

Each way is measured in turn, so that what else happens on the machine affects all of them. Times are
medians in microseconds. The cache of diskcache lies in `/dev/shm`, and is left out if diskcache is not
installed.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]

from pagebuddy import Arena

ROWS = {"1,000 rows": 1_000, "100,000 rows": 100_000}
COLUMNS = 100
ROUNDS = 50


def frame_of(n_rows: int) -> pd.DataFrame:
    """A data frame of integers and floats in turn."""
    whole, ratio = np.arange(n_rows), np.linspace(0, 1, n_rows)
    return pd.DataFrame({f"column {i}": ratio if i % 2 else whole for i in range(COLUMNS)})


@contextmanager
def disk_cache() -> Iterator[Any]:
    """A diskcache in shared memory; None if it is not installed."""
    try:
        from diskcache import Cache  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        yield None
        return
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as folder,
        Cache(folder, size_limit=1 << 34) as cache,
    ):
        yield cache


def calls_of(arena: Arena, cache: Any, frame: pd.DataFrame) -> dict[str, Callable[[], object]]:
    """What is measured, by its name."""
    data = pickle.dumps(frame, 5)
    arena.objects["frame"] = frame
    calls: dict[str, Callable[[], object]] = {
        "objects[key]": lambda: arena.objects["frame"],
        "pickle.loads": lambda: pickle.loads(data),
        "objects[key] = frame": lambda: arena.objects.__setitem__("frame", frame),
        "pickle.dumps": lambda: pickle.dumps(frame, 5),
    }
    if cache is not None:
        cache["frame"] = frame
        calls["diskcache, cache[key]"] = lambda: cache["frame"]
        calls["diskcache, cache[key] = frame"] = lambda: cache.__setitem__("frame", frame)
    return calls


def measured(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median microseconds of each call."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            found[name].append((time.perf_counter() - start) * 1e6)
    return {name: median(times) for name, times in found.items()}


def main() -> None:
    """Measure and print."""
    arena = Arena("1 GiB")
    with disk_cache() as cache:
        for size, n_rows in ROWS.items():
            rounds = ROUNDS if n_rows < 10_000 else ROUNDS // 5
            for name, time_us in measured(calls_of(arena, cache, frame_of(n_rows)), rounds).items():
                print(f"{size:14} {name:32} {time_us:12.1f} µs")


if __name__ == "__main__":
    main()
