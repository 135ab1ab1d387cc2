"""Cases of two processes: sending bytes, messages, calls in a pool, both in one arena. By `__main__`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from itertools import repeat
from multiprocessing.connection import Connection
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import frameworks, handovers
from benchmarks.memories import SIZES
from pagebuddy import COMPILED, Arena, ArenaExecutor
from pagebuddy.tools.bench.handovers import in_place, trips_of
from pagebuddy.tools.bench.partner import STARTED, partner
from pagebuddy.tools.terminal.signals import end_with_parent

if TYPE_CHECKING:
    from pagebuddy.tools.bench.handovers import Bytes
    from pagebuddy.tools.bench.subject import Subject
    from pagebuddy.tools.bench.timing import Case, Timed

N_WORKERS = 2
N_CALLS = 1000
CALL_BYTES = 1 << 20
SMALL_BYTES = 64 << 10

BURST = 100
"""The smallest number of messages or buffers that is timed."""


def trips(arena: Arena) -> list[Case]:
    """All ways at all sizes; compared cases are neighbours."""
    ways = [
        in_place(arena),
        handovers.copied_in(arena),
        *handovers.others(),
        *frameworks.others(),
    ]
    return [trips_of(way, size) for size in SIZES for way in ways]


def messages(arena: Arena) -> list[Case]:
    """Receive short messages that another process puts into a queue as fast as it can."""
    return [
        _messages("arena.queue", arena.queue(), arena),
        _messages("multiprocessing.Queue", STARTED.Queue()),
    ]


def _messages(name: str, queue: Any, *arena: Arena) -> Case:
    connection = partner(_put_messages, queue, *arena)

    def case(times: int) -> Timed:
        n = times * BURST
        started = perf_counter_ns()
        connection.send(n)
        for number in range(n):
            got = queue.get()
            if got != number:
                raise RuntimeError(f"{name}: received {got} instead of {number}")
        return {f"{name} rate": (n * 10**9, perf_counter_ns() - started)}

    return case


def _put_messages(connection: Connection, queue: Any, *arena: Arena) -> None:
    while True:
        for number in range(connection.recv()):
            queue.put(number)


def both_at_once(arena: Arena) -> list[Case]:
    """Allocate and free a buffer in this process alone, and in two processes at once."""
    connection = partner(_get_until_told, arena)
    get = partial(arena.alloc, SMALL_BYTES)

    def alone(times: int) -> Timed:
        started = perf_counter_ns()
        for _ in repeat(None, times * BURST):
            get()
        return {"one at once": (perf_counter_ns() - started, times * BURST)}

    def both(times: int) -> Timed:
        connection.send(None)
        connection.recv()
        ((elapsed, done),) = alone(times).values()
        connection.send(None)
        others_elapsed, others_done = connection.recv()
        return {"two at once": (elapsed + others_elapsed, done + others_done)}

    return [alone, both]


def _get_until_told(connection: Connection, arena: Arena) -> None:
    get = partial(arena.alloc, SMALL_BYTES)
    while True:
        connection.recv()
        connection.send(None)
        done, started = 0, perf_counter_ns()
        while not connection.poll():
            for _ in repeat(None, BURST):
                get()
            done += BURST
        elapsed = perf_counter_ns() - started
        connection.recv()
        connection.send((elapsed, done))


def maps(arena: Arena, n_calls: int) -> list[Case]:
    """Map a ufunc over arrays of 1 MiB in two processes; the results are arrays."""
    mine = np.full(CALL_BYTES, 1, np.uint8)
    there = arena.copy(mine)
    ours = ArenaExecutor(N_WORKERS, STARTED, end_with_parent, arena=arena)
    theirs = ProcessPoolExecutor(N_WORKERS, STARTED, end_with_parent)
    cases = [
        _calls("ArenaExecutor in place", ours.map, there, n_calls),
        _calls("ArenaExecutor copied", ours.map, mine, n_calls),
        _calls("ProcessPoolExecutor", theirs.map, mine, n_calls),
    ]
    try:
        joblib = import_module("joblib")
    except ImportError:
        return cases
    pool = joblib.Parallel(N_WORKERS, return_as="generator")
    call = joblib.delayed(np.invert)

    def mapped(_: Any, arrays: Iterator[Bytes]) -> Any:
        return pool(call(array) for array in arrays)

    return [*cases, _calls("joblib", mapped, mine, n_calls)]


def _calls(name: str, mapped: Callable[..., Any], array: Bytes, n_calls: int) -> Case:
    def case(times: int) -> Timed:
        n = times * n_calls
        started = perf_counter_ns()
        # Drop results one by one, so that memory suffices.
        right = sum(int(result[-1]) == 254 for result in mapped(np.invert, repeat(array, n)))
        elapsed = perf_counter_ns() - started
        if right != n:
            raise RuntimeError(f"{name}: {n - right} of {n} results are wrong")
        return {f"{name} call": (elapsed, n)}

    return case


def all_of(arena: Arena) -> list[Case]:
    """All cases of this file except the maps, which take seconds."""
    return [*trips(arena), *messages(arena), *both_at_once(arena)]


def can_share(subject: Subject) -> bool:
    """Whether other processes use the same engine."""
    return sys.platform == "linux" and subject.compiled == COMPILED
