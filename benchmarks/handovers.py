"""Ways to hand bytes over to another process, and what that process does to answer them."""

from __future__ import annotations

import atexit
import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.memories import SIZES
from benchmarks.partner import STARTED, partner
from pagebuddy import Arena

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


def ours(arena: Arena) -> Iterator[Handover]:
    """A buffer that is filled where it lies, and an array of this process's own that is copied in."""
    handles = partner(_answer_buffers, arena)
    frames = partner(_answer_frames, arena)

    def in_place(n: int, mark: int) -> int:
        buffer = arena.alloc(n)
        buffer.view[0] = mark
        handles.send(buffer)
        return _answered(handles)

    def copied_in(n: int, mark: int) -> int:
        frames.send_bytes(arena.dumps(marked(n, mark)))
        return _answered(frames)

    yield Handover("handle", in_place)
    yield Handover("dumps", copied_in)


def _answered(connection: Connection) -> int:
    return connection.recv_bytes()[0]


def _answer(connection: Connection, mark: int) -> None:
    connection.send_bytes(bytes([mark]))


def _answer_buffers(connection: Connection, arena: Arena) -> None:
    while True:
        _answer(connection, answer_to(connection.recv().view))


def _answer_frames(connection: Connection, arena: Arena) -> None:
    while True:
        _answer(connection, answer_to(arena.loads(connection.recv_bytes())))


def others() -> Iterator[Handover]:
    """What everybody has, and what is installed."""
    yield _pipe()
    yield _queue()
    yield _shared_memory()
    with suppress(ImportError):
        yield from _iceoryx2()


def _pipe() -> Handover:
    connection = partner(_answer_arrays)

    def trip(n: int, mark: int) -> int:
        connection.send(marked(n, mark))
        return _answered(connection)

    return Handover("Pipe", trip)


def _answer_arrays(connection: Connection) -> None:
    while True:
        _answer(connection, answer_to(connection.recv()))


def _queue() -> Handover:
    there, back = STARTED.Queue(), STARTED.Queue()
    # What is still in it when a benchmark fails is of no use to anyone.
    there.cancel_join_thread()
    connection = partner(_answer_queue, there, back)
    # It waits for this queue alone.
    atexit.register(there.put, None)

    def trip(n: int, mark: int) -> int:
        # Named here, so that the other process lives as long as this does.
        assert not connection.closed
        there.put(marked(n, mark))
        answer: int = back.get()
        return answer

    return Handover("Queue", trip)


def _answer_queue(connection: Connection, there: Any, back: Any) -> None:
    while (array := there.get()) is not None:
        back.put(answer_to(array))


def _shared_memory() -> Handover:
    connection = partner(_answer_names)

    def trip(n: int, mark: int) -> int:
        memory = SharedMemory(create=True, size=n)
        try:
            there: Any = memory.buf
            np.copyto(np.frombuffer(there, np.uint8, n), marked(n, mark))
            del there
            connection.send(memory.name)
            return _answered(connection)
        finally:
            memory.close()
            memory.unlink()

    return Handover("SharedMemory", trip)


def _answer_names(connection: Connection) -> None:
    while True:
        memory = SharedMemory(connection.recv())
        mark = answer_to(memory.buf)
        memory.close()
        _answer(connection, mark)


def _iceoryx2() -> list[Handover]:
    """Samples of a publisher of each size, told of by a connection, as waiting for them would spin."""
    library = import_module("iceoryx2")
    library.set_log_level(library.LogLevel.Error)
    node = library.NodeBuilder.new().create(library.ServiceType.Ipc)
    name = f"pagebuddy-{os.getpid()}-handover"
    publishers = {
        n: _service(library, node, name, n).publisher_builder().initial_max_slice_len(n).create()
        for n in SIZES
    }
    connection = partner(_answer_samples, name)
    connection.recv_bytes()

    def sent(n: int, write: Callable[[Bytes], object]) -> int:
        sample = publishers[n].loan_slice_uninit(n)
        write(np.frombuffer(sample.payload().as_memory_view(), np.uint8))
        sample.assume_init().send()
        connection.send(n)
        return _answered(connection)

    def in_place(n: int, mark: int) -> int:
        def write(memory: Bytes) -> None:
            memory[0] = mark

        return sent(n, write)

    def copied_in(n: int, mark: int) -> int:
        def write(memory: Bytes) -> None:
            np.copyto(memory, marked(n, mark))

        return sent(n, write)

    return [Handover("iceoryx2 in place", in_place), Handover("iceoryx2 copied", copied_in)]


def _service(library: Any, node: Any, name: str, n: int) -> Any:
    service = node.service_builder(library.ServiceName.new(f"{name}/{n}"))
    return service.publish_subscribe(library.Slice[ctypes.c_uint8]).open_or_create()


def _answer_samples(connection: Connection, name: str) -> None:
    library = import_module("iceoryx2")
    library.set_log_level(library.LogLevel.Error)
    node = library.NodeBuilder.new().create(library.ServiceType.Ipc)
    subscribers = {n: _service(library, node, name, n).subscriber_builder().create() for n in SIZES}
    _answer(connection, 0)
    while True:
        sample = subscribers[connection.recv()].receive()
        mark = answer_to(sample.payload().as_memory_view())
        sample.delete()
        _answer(connection, mark)
