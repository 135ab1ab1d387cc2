"""Measure the memory and time of sending a table that pandas read, beside pickling it; print a table.

    python -m benchmarks.tables

A process reads a CSV file and sends the table to another one through a pipe. Then both have it. Memory
is what both processes take together then beyond what they took before (the sum of Pss in
/proc/PID/smaps_rollup, in which shared pages count once). Each way is measured in new processes.
"""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
import time
from contextlib import nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from pagebuddy import Arena

ROWS, COLUMNS, ROUNDS = 500_000, 10, 5
MIB = 1 << 20
WAYS = ("pickle", "in the arena")


def taken_bytes() -> int:
    """Memory of this process, in bytes; a page that n processes share counts as 1/n."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("/proc/self/smaps_rollup has no Pss, so there is no figure")


def reads(path: str, arena: Arena | None, pipe: Connection, answers: Connection) -> None:
    """Read the table and send it; say what it took."""
    np.ones(3).sum()
    before = taken_bytes()
    with arena.numpy_memory() if arena else nullcontext():
        table = pd.read_csv(path)
    start = time.perf_counter()
    pipe.send_bytes(arena.dumps(table) if arena else pickle.dumps(table, protocol=5))
    pipe.recv()
    seconds = time.perf_counter() - start
    answers.send((taken_bytes() - before, seconds))
    answers.recv()


def receives(arena: Arena | None, pipe: Connection, answers: Connection) -> None:
    """Receive the table and look at it; say what it took."""
    np.ones(3).sum()
    before = taken_bytes()
    data = pipe.recv_bytes()
    table: Any = arena.loads(data) if arena else pickle.loads(data)
    del data
    float(table["c0"].sum())
    pipe.send(True)
    answers.recv()
    answers.send((taken_bytes() - before, 0.0))
    answers.recv()


def sent(path: str, arena: Arena | None) -> tuple[float, float]:
    """Return the memory of both processes, in bytes, and the time of sending, in seconds."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    pipes = [context.Pipe() for _ in range(2)]
    processes = [
        context.Process(target=reads, args=(path, arena, ours, pipes[0][1])),
        context.Process(target=receives, args=(arena, theirs, pipes[1][1])),
    ]
    for process in processes:
        process.start()
    taken, seconds = pipes[0][0].recv()
    pipes[1][0].send("how much?")
    more, _ = pipes[1][0].recv()
    for pipe, process in zip(pipes, processes, strict=True):
        pipe[0].send("end")
        process.join()
    return taken + more, seconds


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/table.csv"
        figures = np.random.default_rng(5).random((ROWS, COLUMNS))
        pd.DataFrame(figures, columns=[f"c{i}" for i in range(COLUMNS)]).to_csv(path, index=False)
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for _ in range(ROUNDS):
            for way in WAYS:
                found[way].append(sent(path, None if way == "pickle" else Arena("1 GiB")))
    print(f"read_csv of {figures.nbytes / MIB:.0f} MiB, sent to another process")
    print(f"{'':14} {'both processes':>16} {'to send':>10}")
    for way, pairs in found.items():
        memory, seconds = (median(column) for column in zip(*pairs, strict=True))
        print(f"{way:14} {memory / MIB:12.0f} MiB {seconds * 1e3:7.1f} ms")


if __name__ == "__main__":
    main()
