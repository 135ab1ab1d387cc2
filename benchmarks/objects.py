"""Cases of reading and setting objects by key, beside pickle and diskcache. Used by `data`.

The cache of diskcache lies in `/dev/shm`, and is left out if diskcache is not installed.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]

from benchmarks.arrays import repeated

if TYPE_CHECKING:
    from pagebuddy import Arena
    from pagebuddy.tools.bench.timing import Case

ROWS = (1_000, 100_000)
COLUMNS = 100


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


def all_of(arena: Arena, cache: Any) -> Iterator[Case]:
    """Reading and setting in each way; `cache` may be None."""
    for n_rows in ROWS:
        key, frame = f"frame {n_rows}", frame_of(n_rows)
        data = pickle.dumps(frame, 5)
        arena.objects[key] = frame
        calls: dict[str, Callable[[], object]] = {
            "get": partial(arena.objects.__getitem__, key),
            "get pickle": partial(pickle.loads, data),
            "set": partial(arena.objects.__setitem__, key, frame),
            "set pickle": partial(pickle.dumps, frame, 5),
        }
        if cache is not None:
            cache[key] = frame
            calls["get diskcache"] = partial(cache.__getitem__, key)
            calls["set diskcache"] = partial(cache.__setitem__, key, frame)
        yield from (repeated(f"{name} {n_rows}", call) for name, call in calls.items())
