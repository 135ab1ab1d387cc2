"""Ways to hand bytes over to another process, and what that process does to answer them."""

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
"""The smallest page: of each the other process reads a byte."""


@dataclass(frozen=True)
class Handover:
    """A way to hand over so many bytes, of which the first is a mark, and to wait for the answer."""

    name: str
    trip: Callable[[int, int], int]
    """Called with the number of bytes and the mark, returns what was answered: the mark."""


@cache
def private(n: int) -> Bytes:
    """An array of this process alone, every byte written."""
    return np.ones(n, np.uint8)


def marked(n: int, mark: int) -> Bytes:
    """The same, its first byte the mark."""
    array = private(n)
    array[0] = mark
    return array


def answer_to(memory: Any) -> int:
    """What is answered: the first byte, after one of each page was read."""
    array = np.frombuffer(memory, np.uint8)
    array[::STEP].max()
    return int(array[0])


def answered(connection: Connection) -> int:
    """The mark that comes back."""
    return connection.recv_bytes()[0]


def answer(connection: Connection, mark: int) -> None:
    """Send a mark back."""
    connection.send_bytes(bytes([mark]))


def in_place(arena: Arena) -> Handover:
    """A buffer that is filled where it lies."""
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
    """An array that is pickled through a pipe."""
    connection = partner(_answer_arrays)

    def trip(n: int, mark: int) -> int:
        connection.send(marked(n, mark))
        return answered(connection)

    return Handover("Pipe", trip)


def _answer_arrays(connection: Connection) -> None:
    while True:
        answer(connection, answer_to(connection.recv()))


def trips_of(way: Handover, size: int) -> Case:
    """So many bytes handed over and answered."""
    marks = count(1)

    def case(times: int) -> Timed:
        started = perf_counter_ns()
        for _ in repeat(None, times):
            mark = next(marks) & 0xFF
            answer = way.trip(size, mark)
            if answer != mark:
                raise RuntimeError(f"{way.name}: {answer} came back for {mark}, so no figure")
        return {f"{way.name} {size} trip": (perf_counter_ns() - started, times)}

    # The first one meets untouched pages at both ends, and would decide how many a sample has.
    case(1)
    return case
