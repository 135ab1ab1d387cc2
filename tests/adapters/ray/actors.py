"""The actors of the tests. Their processes import this module."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import ray
from ray.experimental.rdt.util import transport_manager_info, transport_managers

import pagebuddy.adapters.ray as adapter


def forget() -> None:
    """Let this process forget the transport."""
    for name in (adapter.FOR_ARRAYS, adapter.FOR_TENSORS):
        transport_manager_info.pop(name, None)
        transport_managers.pop(name, None)


# Decorators need it. Afterwards each test registers it, and Ray in the actors, as the test wants it.
is_known = adapter.FOR_ARRAYS in transport_manager_info
if not is_known:
    adapter.register()


@ray.remote(num_cpus=0, enable_tensor_transport=True)
class Sender:
    """Returns arrays by the transport, and without."""

    def __init__(self, *, registers: bool = False) -> None:
        if registers:
            adapter.register()
        self.n_calls = 0

    @ray.method(tensor_transport="PAGEBUDDY")
    def given(self, thing: Any) -> Any:
        """Return what it was given, which Ray pickled."""
        return thing

    @ray.method(tensor_transport="PAGEBUDDY")
    def full(self, n: int, value: int) -> Any:
        return np.full(n, value, "u1")

    @ray.method(tensor_transport="PAGEBUDDY")
    def inside(self, n: int, value: int) -> Any:
        """Return an array that lies in the arena, and keep it."""
        self.array = adapter.arena().full(n, value, "u1")
        return self.array

    @ray.method(tensor_transport="PAGEBUDDY")
    def objects(self) -> Any:
        return np.array([1, "two", None], object)

    @ray.method(tensor_transport="PAGEBUDDY")
    def strided(self) -> Any:
        whole = adapter.arena().empty((600, 400), "f4")
        whole[...] = np.arange(240_000).reshape(600, 400)
        return [whole[::-2, 5:], whole.T]

    @ray.method(tensor_transport="PAGEBUDDY")
    def die(self) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    @ray.method(tensor_transport="PAGEBUDDY", retry_exceptions=True, max_task_retries=2)
    def at_second_try(self, n: int) -> Any:
        self.n_calls += 1
        if self.n_calls == 1:
            raise ValueError("the first call fails")
        return np.full(n, 2, "u1")

    def tensor(self, n: int) -> Any:
        """Return a tensor; its transport is there if torch is."""
        import torch

        return torch.full((n,), 3.0)

    if adapter.FOR_TENSORS in transport_manager_info:
        tensor = ray.method(tensor_transport=adapter.FOR_TENSORS)(tensor)

    def put(self, n: int, value: int) -> Any:
        return [ray.put(np.full(n, value, "u1"), _tensor_transport="PAGEBUDDY")]

    def plain(self, n: int) -> Any:
        return np.arange(n)

    def own(self) -> Any:
        return int(self.array[0])

    def report(self) -> Any:
        return report()

    def taken(self, thing: Any) -> Any:
        return facts(thing)

    def pid(self) -> int:
        return os.getpid()


@ray.remote(num_cpus=0, enable_tensor_transport=True)
class Receiver:
    """Takes arrays."""

    def taken(self, thing: Any) -> Any:
        return facts(thing)

    def got(self, refs: list[Any]) -> Any:
        return [facts(x) for x in ray.get(refs)]

    def back(self, refs: list[Any]) -> Any:
        return ray.get(refs)

    def tensor(self, thing: Any) -> Any:
        """Return the sum of a tensor, and where in its page it starts."""
        return float(thing.sum()), thing.data_ptr() % 4096

    def sums(self, *things: Any) -> Any:
        return [int(x.sum()) for x in things]

    def keep(self, thing: Any) -> None:
        self.kept = thing

    def still(self) -> Any:
        return facts(self.kept)

    def store(self, thing: Any, value: int) -> None:
        thing[0] = value

    def block(self, gate: Any, thing: Any = None) -> None:
        """Wait until somebody writes to a pipe with a name."""
        with open(gate) as pipe:
            pipe.read()

    def report(self) -> Any:
        return report()

    def pid(self) -> int:
        return os.getpid()


if not is_known:
    forget()


def facts(thing: Any) -> Any:
    """Say what arrived: arrays as shape, dtype, items, whether writable, and where in the arena."""
    if isinstance(thing, list | tuple):
        return [facts(x) for x in thing]
    if isinstance(thing, dict):
        return {key: facts(x) for key, x in thing.items()}
    if not isinstance(thing, np.ndarray):
        return thing
    try:
        offset = adapter.arena().buffer_of(thing).offset
    except Exception:
        offset = None
    return {
        "shape": thing.shape,
        "dtype": thing.dtype.str,
        "sum": int(thing.sum()) if thing.dtype.kind in "uif" else thing.tolist(),
        "writeable": thing.flags.writeable,
        "offset": offset,
    }


def report() -> Any:
    """The fallbacks of this process, and the id of its arena."""
    try:
        arena_id = adapter.arena()._open.layout.arena_id
    except Exception as error:
        arena_id = type(error).__name__
    return adapter.fallbacks.counts, arena_id
