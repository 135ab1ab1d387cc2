"""Alternatives to arenas for allocating and freeing memory. Used by `arenas`."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count
from multiprocessing.heap import BufferWrapper
from typing import Any

from pagebuddy.tools.bench.memories import Way, numpy_memory, shared_memory

SIZES = (4 << 10, 64 << 10, 1 << 20, 16 << 20, 256 << 20)


def others() -> Iterator[Way]:
    """Alternatives of the standard library and numpy, and others if they are installed."""
    yield numpy_memory()
    yield Way("mmap", lambda n: mmap.mmap(-1, n))
    yield Way("multiprocessing.heap", BufferWrapper, memory=lambda block: block.create_memoryview())
    yield shared_memory()
    for make in (_shared_array, _posix_ipc, _iceoryx2, _torch):
        try:
            yield make()
        except ImportError:
            continue


def _own_names(what: str) -> Iterator[str]:
    """Names that no other process uses."""
    return (f"pagebuddy-{what}-{os.getpid()}-{i}" for i in count())


def _shared_array() -> Way:
    library = import_module("SharedArray")
    names = _own_names("SharedArray")

    def get(n: int) -> tuple[str, Any]:
        name = f"shm://{next(names)}"
        return name, library.create(name, n, "u1")

    return Way(
        "SharedArray", get, end=lambda got: library.delete(got[0]), memory=lambda got: got[1]
    )


def _posix_ipc() -> Way:
    library = import_module("posix_ipc")
    names = _own_names("posix_ipc")

    def get(n: int) -> tuple[Any, mmap.mmap]:
        segment = library.SharedMemory(f"/{next(names)}", library.O_CREX, size=n)
        mapped = mmap.mmap(segment.fd, n)
        segment.close_fd()
        return segment, mapped

    def end(got: tuple[Any, mmap.mmap]) -> None:
        got[1].close()
        got[0].unlink()

    return Way("posix_ipc", get, end=end, memory=lambda got: got[1])


def _iceoryx2() -> Way:
    """Samples borrowed from a publisher per size, whose memory was prepared."""
    library = import_module("iceoryx2")
    library.set_log_level(library.LogLevel.Error)
    node = library.NodeBuilder.new().create(library.ServiceType.Ipc)
    loans: dict[int, Callable[[int], Any]] = {}
    for size in SIZES:
        name = library.ServiceName.new(f"pagebuddy-{os.getpid()}/{size}")
        service = node.service_builder(name).publish_subscribe(library.Slice[ctypes.c_uint8])
        publisher = service.create().publisher_builder().initial_max_slice_len(size).create()
        loans[size] = publisher.loan_slice_uninit

    return Way(
        "iceoryx2",
        lambda n: loans[n](n),
        end=lambda sample: sample.delete(),
        memory=lambda sample: sample.payload().as_memory_view(),
    )


def _torch() -> Way:
    # Not in the extra `bench`, because it is too large.
    library = import_module("torch")
    return Way(
        "torch, share_memory_",
        lambda n: library.empty(n, dtype=library.uint8).share_memory_(),
        memory=lambda tensor: tensor.numpy(),
    )
