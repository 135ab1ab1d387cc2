"""Ways to send bytes to another process: the arena with a copy, and alternatives. Used by `sharing`."""

from __future__ import annotations

import atexit
import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

from benchmarks.memories import SIZES
from pagebuddy import Arena
from pagebuddy.tools.bench.handovers import (
    Bytes,
    Handover,
    answer,
    answer_to,
    answered,
    marked,
    pipe,
)
from pagebuddy.tools.bench.partner import STARTED, partner


def copied_in(arena: Arena) -> Handover:
    """Copy a private array into the arena."""
    frames = partner(_answer_frames, arena)

    def trip(n: int, mark: int) -> int:
        frames.send_bytes(arena.dumps(marked(n, mark)))
        return answered(frames)

    return Handover("dumps", trip)


def _answer_frames(connection: Connection, arena: Arena) -> None:
    while True:
        answer(connection, answer_to(arena.loads(connection.recv_bytes())))


def others() -> Iterator[Handover]:
    """Alternatives of the standard library, and iceoryx2 if it is installed."""
    yield pipe()
    yield _queue()
    yield _shared_memory()
    with suppress(ImportError):
        yield from _iceoryx2()


def _queue() -> Handover:
    there, back = STARTED.Queue(), STARTED.Queue()
    # Do not wait at exit for messages that nobody will receive.
    there.cancel_join_thread()
    connection = partner(_answer_queue, there, back)
    # The partner waits for this queue only, so end it by a message.
    atexit.register(there.put, None)

    def trip(n: int, mark: int) -> int:
        # This reference keeps the other process alive.
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
            return answered(connection)
        finally:
            memory.close()
            memory.unlink()

    return Handover("SharedMemory", trip)


def _answer_names(connection: Connection) -> None:
    while True:
        memory = SharedMemory(connection.recv())
        mark = answer_to(memory.buf)
        memory.close()
        answer(connection, mark)


def _iceoryx2() -> list[Handover]:
    """Samples of a publisher per size, announced through a connection; waiting for them would spin."""
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
        return answered(connection)

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
    answer(connection, 0)
    while True:
        sample = subscribers[connection.recv()].receive()
        mark = answer_to(sample.payload().as_memory_view())
        sample.delete()
        answer(connection, mark)
