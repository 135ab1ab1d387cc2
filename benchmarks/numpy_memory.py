"""Measure results that numpy makes in an arena beside those in its own memory; print a table.

    python -m benchmarks.numpy_memory

Each way is measured in turn, so that what else happens on the machine affects all of them. Times are
medians in microseconds. All memory was used before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from statistics import median

import numpy as np

from pagebuddy import Arena

SIZES = {"64 KiB": 1 << 13, "1 MiB": 1 << 17, "16 MiB": 1 << 21}
ROUNDS = 400


def timed(call: Callable[[], object]) -> float:
    """Microseconds that a call takes, after one that is not measured."""
    call()
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e6


def measured(arena: Arena, n: int, rounds: int) -> dict[str, tuple[float, float]]:
    """By what is done with an array of n items: the medians in numpy's own memory and in the arena."""
    z = np.ones(n)
    calls: dict[str, Callable[[], object]] = {
        "np.empty": lambda: np.empty(n),
        "z + 1": lambda: z + 1,
        "z + 1, dumps, loads": lambda: arena.loads(arena.dumps(z + 1)),
    }
    contexts: list[AbstractContextManager[object]] = [nullcontext(), arena.numpy_memory()]
    found: dict[str, list[list[float]]] = {name: [[], []] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            for context, times in zip(contexts, found[name], strict=True):
                with context:
                    times.append(timed(call))
    return {name: (median(own), median(inside)) for name, (own, inside) in found.items()}


def main() -> None:
    """Measure and print."""
    arena = Arena("1 GiB")
    print(f"{'':8} {'':20} {'own memory':>12} {'in the arena':>12} {'ratio':>6}")
    for size, n in SIZES.items():
        rounds = ROUNDS if n < 1 << 20 else ROUNDS // 8
        for name, (own, inside) in measured(arena, n, rounds).items():
            print(f"{size:8} {name:20} {own:12.2f} {inside:12.2f} {inside / own:6.2f}")


if __name__ == "__main__":
    main()
