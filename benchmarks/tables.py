"""Cases of sending a table that pandas read, and of pickling it: memory and time. Used by `data`.

A process reads a CSV file and sends the table to another one through a pipe. Then both have it. Memory
is what both processes take together then beyond what they took before (the sum of Pss in
/proc/PID/smaps_rollup, in which shared pages count once). Each way is measured in new processes.
"""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from pagebuddy import Arena

if TYPE_CHECKING:
    from pagebuddy.tools.bench.timing import Case, Timed

ROWS, COLUMNS = 500_000, 10
WAYS = ("pickle", "arena")


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


def _sending(way: str, path: str) -> Case:
    def case(times: int) -> Timed:
        taken, seconds = sent(path, None if way == "pickle" else Arena("1 GiB"))
        # More often would take as many times as long, and change nothing.
        return {
            f"table memory {way}": (int(taken), 1),
            f"table time {way}": (int(seconds * 1e9), 1),
        }

    return case


@contextmanager
def all_ways() -> Iterator[list[Case]]:
    """The cases; the file lasts as long as the block."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/table.csv"
        numbers = np.random.default_rng(5).random((ROWS, COLUMNS))
        pd.DataFrame(numbers, columns=[f"c{i}" for i in range(COLUMNS)]).to_csv(path, index=False)
        yield [_sending(way, path) for way in WAYS]
