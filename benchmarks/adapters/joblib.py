"""Measure loops of joblib with the backend "pagebuddy", beside its own backend "loky".

Each round runs every loop once with each backend, in turn. Workers run already. A ratio is that of two
medians of the same run.
"""

from __future__ import annotations

import argparse
import gc
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from joblib import Parallel, delayed

import pagebuddy.adapters.joblib  # noqa: F401  # registers the backend
from pagebuddy import Arena
from pagebuddy.tools.bench.machine import described

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N_TASKS = 16
N_ITEMS = (16 << 20) // 8
N_SHORT = 2000


def scaled(array: Any, factor: float) -> Any:
    """An array in, and another one out."""
    return array * factor


def summed(array: Any, first: int) -> float:
    """An array in, and a number out."""
    return float(array[first:].sum())


def filled(value: float) -> Any:
    """An array out."""
    return np.full(N_ITEMS, value)


def listed(n: int) -> list[tuple[int, str]]:
    """Python objects out: there is nothing to gain."""
    return [(i, str(i)) for i in range(n)]


def loops(outside: Any, inside: Any) -> dict[str, tuple[Callable[..., Iterator[Any]], Any, Any]]:
    """What is measured: how tasks are made, and the array for loky and for the arena."""

    def scale(array: Any) -> Iterator[Any]:
        return (delayed(scaled)(array, i) for i in range(N_TASKS))

    def add(array: Any) -> Iterator[Any]:
        return (delayed(summed)(array, i) for i in range(N_TASKS))

    return {
        f"{N_TASKS} tasks, 16 MiB in, 16 MiB out": (scale, outside, outside),
        "the same, array in the arena": (scale, outside, inside),
        f"{N_TASKS} tasks, 16 MiB in, a number out": (add, outside, outside),
        "the same, array in the arena, ": (add, outside, inside),
        f"{N_TASKS} tasks, 16 MiB out": (
            lambda _: (delayed(filled)(i) for i in range(N_TASKS)),
            None,
            None,
        ),
        f"{N_SHORT} tasks of a microsecond": (
            lambda _: (delayed(abs)(i) for i in range(N_SHORT)),
            None,
            None,
        ),
        f"{N_TASKS} tasks, 50,000 tuples out": (
            lambda _: (delayed(listed)(50_000) for _ in range(N_TASKS)),
            None,
            None,
        ),
    }


def milliseconds(parallel: Any, tasks: Iterator[Any]) -> float:
    """The time of a loop, without that of dropping its results."""
    gc.collect()
    started = perf_counter()
    results = parallel(tasks)
    taken = perf_counter() - started
    del results
    return taken * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adapters.joblib", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=9, help="samples per loop (default: 9)")
    asked = parser.parse_args()
    arena = Arena("4 GiB", slots=112)
    outside = np.random.default_rng(1).random(N_ITEMS)
    rows = loops(outside, arena.copy(outside))
    taken: dict[tuple[str, str], list[float]] = {}
    with (
        Parallel(2, backend="loky") as loky,
        Parallel(2, backend="pagebuddy", arena=arena) as ours,
    ):
        for turn in range(asked.rounds + 1):
            for name, (tasks, theirs, own) in rows.items():
                pair = [("loky", loky, theirs), ("pagebuddy", ours, own)]
                for backend, parallel, array in pair if turn % 2 else reversed(pair):
                    sample = milliseconds(parallel, tasks(array))
                    # The first round is for warming up.
                    if turn:
                        taken.setdefault((name, backend), []).append(sample)
    machine = described()
    print(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}")
    print(f"joblib {joblib.__version__}, 2 workers, medians of {asked.rounds} rounds, ms\n")
    print(f"{'':<42}{'loky':>9}{'pagebuddy':>11}{'ratio':>9}")
    for name in rows:
        a, b = median(taken[name, "loky"]), median(taken[name, "pagebuddy"])
        print(f"{name.rstrip(', '):<42}{a:>9.1f}{b:>11.1f}{a / b:>9.1f}")


if __name__ == "__main__":
    main()
