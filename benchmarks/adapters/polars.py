"""Measure polars frames and Arrow tables that are sent as handles, beside pickle and multiprocessing.

Each round measures every way once, in turn. A ratio is that of two medians of the same run.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import pickle
from statistics import median
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

import pagebuddy.adapters.polars  # noqa: F401  # sends frames as handles
from pagebuddy import Arena
from pagebuddy.tools.bench.machine import described

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "pagebuddy-bench-polars"
MEGABYTE = 1_000_000


def frame_of(n_bytes: int) -> pl.DataFrame:
    """A frame of about that size: two thirds are numbers, one third is text."""
    n = n_bytes // 96
    numbers = {f"number {i}": np.random.default_rng(i).random(n) for i in range(8)}
    return pl.DataFrame(numbers).with_columns(
        text=pl.format("some text {}", pl.int_range(n) + 10**6)
    )


class Both:
    """A process that answers, at queues of an arena and at those of `multiprocessing`."""

    def __init__(self, arena: Arena) -> None:
        context = multiprocessing.get_context("spawn")
        self.tasks, self.done = arena.queue("tasks"), arena.queue("done")
        self.there, self.back = context.Queue(), context.Queue()
        self.worker = context.Process(target=_answer_both, args=(NAME, self.there, self.back))
        self.worker.start()

    def through_the_arena(self, thing: Any) -> None:
        self.tasks.put(thing)
        assert self.done.get() == len(thing)

    def through_multiprocessing(self, thing: Any) -> None:
        self.there.put(thing)
        assert self.back.get() == len(thing)

    def end(self) -> None:
        self.tasks.put(None)
        self.there.put(None)
        self.worker.join()


def _answer_both(name: str, there: Any, back: Any) -> None:
    """Answer each thing by its length, in both pairs of queues, until None is put."""

    def answer(get: Callable[[], Any], put: Callable[[Any], None]) -> None:
        while (thing := get()) is not None:
            put(len(thing))

    arena = Arena.attach(name)
    tasks, done = arena.queue("tasks"), arena.queue("done")
    other = Thread(target=answer, args=(there.get, back.put))
    other.start()
    answer(tasks.get, done.put)
    other.join()


def milliseconds(call: Callable[[], object]) -> float:
    """The time of a call."""
    gc.collect()
    started = perf_counter()
    call()
    return (perf_counter() - started) * 1e3


def rows_of(arena: Arena, both: Both, what: str, thing: Any) -> list[tuple[str, Any, Any]]:
    """What is measured of a frame or table: a name, our call, and the framework's."""
    there = arena.loads(arena.dumps(thing))
    return [
        (
            f"{what} to another process and an answer",
            lambda: both.through_the_arena(thing),
            lambda: both.through_multiprocessing(thing),
        ),
        (
            f"{what} that was received, sent on",
            lambda: both.through_the_arena(there),
            lambda: both.through_multiprocessing(thing),
        ),
        (
            f"{what}, dumps and loads",
            lambda: arena.loads(arena.dumps(thing)),
            lambda: pickle.loads(pickle.dumps(thing, 5)),
        ),
        (
            f"{what} that was received, dumps and loads",
            lambda: arena.loads(arena.dumps(there)),
            lambda: pickle.loads(pickle.dumps(thing, 5)),
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adapters.polars", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=15, help="samples per case (default: 15)")
    parser.add_argument("--megabytes", type=int, default=100, help="of a frame (default: 100)")
    asked = parser.parse_args()
    frame = frame_of(asked.megabytes * MEGABYTE)
    table: pa.Table = frame.to_arrow()
    arena = Arena.create(NAME, 8 * asked.megabytes * MEGABYTE + (64 << 20))
    both = None
    try:
        both = Both(arena)
        rows = rows_of(arena, both, "polars frame", frame) + rows_of(
            arena, both, "Arrow table", table
        )
        ours: dict[str, list[float]] = {}
        alone: dict[str, list[float]] = {}
        for turn in range(asked.rounds + 1):
            for name, own, other in rows:
                pair = [(ours, own), (alone, other)]
                for into, call in pair if turn % 2 else reversed(pair):
                    # The first round is for warming up.
                    taken = milliseconds(call)
                    if turn:
                        into.setdefault(name, []).append(taken)
        machine = described()
        print(
            f"{asked.megabytes} MB, {machine['cpu']}, {machine['cores']} cores, load {machine['load']}"
        )
        print(
            f"polars {pl.__version__}, pyarrow {pa.__version__}, medians of {asked.rounds} rounds, ms\n"
        )
        print(f"{'':<47}{'arena':>9}{'alone':>9}{'ratio':>9}")
        for name in ours:
            a, b = median(ours[name]), median(alone[name])
            print(f"{name:<47}{a:>9.2f}{b:>9.1f}{b / a:>9.1f}")
    finally:
        if both is not None:
            both.end()
        arena.unlink()


if __name__ == "__main__":
    main()
