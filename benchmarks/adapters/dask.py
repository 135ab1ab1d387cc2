"""Measure what Dask's workers take to pass data, with the preload and without.

There are two clusters of two workers each on this machine, one of them with the preload. A sample is
the time from the request for a task on one worker, whose input the other worker has, to its result: the
data travel meanwhile. Each round takes a sample of every case in each cluster, in turn. A ratio is that
of two medians of the same run.

The memory is what the workers of a cluster take together beyond what they took before, while both have
an array: the sum of Pss in /proc/PID/smaps_rollup, which counts shared pages once.
"""

from __future__ import annotations

import argparse
import logging
import secrets
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import dask
import distributed
import numpy as np
from distributed import Client, LocalCluster

from pagebuddy.tools.bench.machine import described

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
PRELOAD = ["pagebuddy.adapters.dask"]


def filled(n_mib: int, value: int) -> Any:
    """An array."""
    return np.full(n_mib * MIB // 8, value)


def framed(n_mib: int, value: int) -> Any:
    """A data frame of eight columns of numbers."""
    import pandas as pd  # type: ignore[import-untyped,unused-ignore]

    return pd.DataFrame(np.full((n_mib * MIB // 64, 8), value))


def tabled(n_mib: int, value: int) -> Any:
    """An Arrow table of one column of numbers."""
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]

    return pa.table({"a": np.full(n_mib * MIB // 8, value)})


def took(thing: Any) -> int:
    """The number of rows: the data need not be read."""
    return len(thing)


def summed(thing: Any) -> Any:
    """Read all of it."""
    return thing.sum()


def pss() -> int:
    """Return this process's proportional set size, in bytes."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/smaps_rollup has no Pss, so there is no figure")


CASES: dict[str, tuple[Callable[[int, int], Any], int, Callable[[Any], Any]]] = {
    "array of 64 KiB": (lambda _, value: filled(1, value)[:8192].copy(), 0, took),
    "array of 1 MiB": (filled, 1, took),
    "array of 16 MiB": (filled, 16, took),
    "array of 128 MiB": (filled, 128, took),
    "array of 128 MiB, read by its receiver": (filled, 128, summed),
    "data frame of 128 MiB": (framed, 128, took),
    "Arrow table of 128 MiB": (tabled, 128, took),
}


def sample(client: Client, case: str, turn: int) -> float:
    """Return how many ms a case takes in a cluster."""
    make, n_mib, use = CASES[case]
    here, there = sorted(client.scheduler_info()["workers"])
    made = client.submit(make, n_mib, turn, workers=[here], pure=False)
    distributed.wait(made)
    started = perf_counter()
    client.submit(use, made, workers=[there], pure=False).result()
    return (perf_counter() - started) * 1e3


def memory(client: Client, n_mib: int) -> float:
    """Return how many MiB the workers take for an array that both have."""
    here, there = sorted(client.scheduler_info()["workers"])
    before = sum(client.run(pss).values())
    made = client.submit(filled, n_mib, 1, workers=[here], pure=False)
    client.submit(summed, made, workers=[there], pure=False).result()
    return float(sum(client.run(pss).values()) - before) / MIB


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adapters.dask", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="samples per case (default: 9)")
    asked = parser.parse_args()
    name = f"pagebuddy-bench-{secrets.token_hex(4)}"
    options: dict[str, Any] = {
        "n_workers": 2,
        "threads_per_worker": 1,
        "dashboard_address": ":0",
        "silence_logs": logging.ERROR,
    }
    try:
        with (
            dask.config.set({"distributed.pagebuddy.arena": name}),
            LocalCluster(**options) as plain,
            LocalCluster(**options, preload=PRELOAD) as preloaded,
            Client(plain) as alone,
            Client(preloaded) as ours,
        ):
            report(asked.rounds, alone, ours)
    finally:
        Path("/dev/shm", name).unlink(missing_ok=True)


def report(rounds: int, alone: Client, ours: Client) -> None:
    """Measure, and print the table."""
    for client in (alone, ours):
        sample(client, "array of 1 MiB", 0)
    # First of all: later, pages are used again that count already.
    used = [memory(client, 128) for client in (alone, ours)]
    taken: dict[tuple[str, bool], list[float]] = {}
    for turn in range(rounds + 1):
        for case in CASES:
            pair = [(False, alone), (True, ours)]
            for is_ours, client in pair if turn % 2 else reversed(pair):
                ms = sample(client, case, turn)
                # The first round is for warming up.
                if turn:
                    taken.setdefault((case, is_ours), []).append(ms)
    machine = described()
    print(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}")
    print(f"distributed {distributed.__version__}, medians of {rounds} rounds, ms\n")
    print(f"{'from one worker to another':<40}{'alone':>10}{'preload':>10}{'ratio':>8}")
    for case in CASES:
        a, b = (median(taken[case, is_ours]) for is_ours in (False, True))
        print(f"{case:<40}{a:>10.1f}{b:>10.1f}{a / b:>8.1f}")
    a, b = used
    print(f"\n{'MiB for an array of 128 MiB in both':<40}{a:>10.0f}{b:>10.0f}{a / b:>8.1f}")


if __name__ == "__main__":
    main()
