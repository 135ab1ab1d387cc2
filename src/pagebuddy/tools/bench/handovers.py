"""Ways to send bytes to another process, and how it answers. Used by `core_rows` and `benchmarks/`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import count, repeat
from multiprocessing.connection import Connection
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pagebuddy import Arena
from pagebuddy.tools.bench.partner import partner

if TYPE_CHECKING:
    from pagebuddy.tools.bench.timing import Case, Timed

Bytes = npt.NDArray[np.uint8]

STEP = 4096
"""The other process reads one byte in every so many."""


@dataclass(frozen=True)
class Handover:
    """A way to send bytes, of which the first is a mark, and to wait for the answer."""

    name: str
    trip: Callable[[int, int], int]
    """Called with the number of bytes and the mark; returns the answer, which should be the mark."""


@cache
def private(n: int) -> Bytes:
    """A private array of which every byte was written."""
    return np.ones(n, np.uint8)


def marked(n: int, mark: int) -> Bytes:
    """A private array that starts with the mark."""
    array = private(n)
    array[0] = mark
    return array


def answer_to(memory: Any) -> int:
    """The answer: the first byte, after reading one byte of each page."""
    array = np.frombuffer(memory, np.uint8)
    array[::STEP].max()
    return int(array[0])


def answered(connection: Connection) -> int:
    """Receive the answer."""
    return connection.recv_bytes()[0]


def answer(connection: Connection, mark: int) -> None:
    """Send the answer."""
    connection.send_bytes(bytes([mark]))


def in_place(arena: Arena) -> Handover:
    """Send a buffer of an arena, filled in place."""
    handles = partner(_answer_buffers, arena)

    def trip(n: int, mark: int) -> int:
        buffer = arena.alloc(n)
        buffer.view[0] = mark
        handles.send(buffer)
        return answered(handles)

    return Handover("handle", trip)


def _answer_buffers(connection: Connection, arena: Arena) -> None:
    while True:
        answer(connection, answer_to(connection.recv().view))


def pipe() -> Handover:
    """Send an array as a pickle through a pipe."""
    connection = partner(_answer_arrays)

    def trip(n: int, mark: int) -> int:
        connection.send(marked(n, mark))
        return answered(connection)

    return Handover("Pipe", trip)


def _answer_arrays(connection: Connection) -> None:
    while True:
        answer(connection, answer_to(connection.recv()))


def trips_of(way: Handover, size: int) -> Case:
    """Send so many bytes and wait for the answer."""
    marks = count(1)

    def case(times: int) -> Timed:
        started = perf_counter_ns()
        for _ in repeat(None, times):
            mark = next(marks) & 0xFF
            answer = way.trip(size, mark)
            if answer != mark:
                raise RuntimeError(f"{way.name}: the answer was {answer} instead of {mark}")
        return {f"{way.name} {size} trip": (perf_counter_ns() - started, times)}

    # The first trip touches new pages and is slow; it must not decide the length of samples.
    case(1)
    return case
