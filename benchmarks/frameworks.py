"""Ways to send bytes with torch, joblib and ray, if installed. Used by `sharing` and `__main__`."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

from pagebuddy.tools.bench.handovers import Handover, answer, answer_to, answered, marked
from pagebuddy.tools.bench.partner import partner

STORE_BYTES = 1 << 30
"""The size of ray's object store."""


def others() -> Iterator[Handover]:
    """The ways that need no servers."""
    with suppress(ImportError):
        yield from _torch()
    with suppress(ImportError):
        yield _joblib()


def _torch() -> list[Handover]:
    """Tensors in shared memory; their descriptors are sent."""
    torch = import_module("torch")
    # One thread as in all other cases; several would wait for each other on busy cores.
    torch.set_num_threads(1)
    # Registers tensors with the pickler of connections.
    import_module("torch.multiprocessing")
    connection = partner(_answer_tensors)

    def sent(tensor: Any) -> int:
        connection.send(tensor)
        return answered(connection)

    def in_place(n: int, mark: int) -> int:
        tensor = torch.empty(n, dtype=torch.uint8).share_memory_()
        tensor[0] = mark
        return sent(tensor)

    def copied_in(n: int, mark: int) -> int:
        tensor = torch.empty(n, dtype=torch.uint8).share_memory_()
        tensor.copy_(torch.from_numpy(marked(n, mark)))
        return sent(tensor)

    return [Handover("torch in place", in_place), Handover("torch copied", copied_in)]


def _answer_tensors(connection: Connection) -> None:
    while True:
        answer(connection, answer_to(connection.recv().numpy()))


def _joblib() -> Handover:
    """A call in a pool of two; joblib writes arrays above 1 MiB to a file that the worker maps."""
    joblib = import_module("joblib")
    tracker = import_module("joblib.externals.loky.backend.resource_tracker")
    with _silent():
        # It prints warnings about files.
        tracker.ensure_running()
    pool, call = joblib.Parallel(2), joblib.delayed(answer_to)

    def trip(n: int, mark: int) -> int:
        (got,) = pool([call(marked(n, mark))])
        return int(got)

    return Handover("joblib", trip)


@contextmanager
def cluster() -> Iterator[list[Handover]]:
    """Ray's way while its servers run; none if it is not installed or does not start."""
    if find_spec("ray") is None:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        ray = _started(folder)
        try:
            yield [] if ray is None else [_ray(ray)]
        finally:
            if ray is not None:
                ray.shutdown()


def _started(folder: str) -> Any:
    with _silent():
        try:
            ray = import_module("ray")
            ray.init(
                num_cpus=1,
                include_dashboard=False,
                object_store_memory=STORE_BYTES,
                logging_level=logging.CRITICAL,
                log_to_driver=False,
                _temp_dir=folder,
            )
        except Exception:
            return None
    return ray


def _ray(ray: Any) -> Handover:
    actor = ray.remote(_Answering).remote()

    def trip(n: int, mark: int) -> int:
        got: int = ray.get(actor.answer.remote(ray.put(marked(n, mark))))
        return got

    return Handover("ray", trip)


class _Answering:
    """The actor in a process of ray."""

    def answer(self, array: Any) -> int:
        return answer_to(array)


@contextmanager
def _silent() -> Iterator[None]:
    """Discard stderr, also of processes started within."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
