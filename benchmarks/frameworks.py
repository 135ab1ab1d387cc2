"""Ways to hand bytes over that come with something larger: torch, joblib, ray, where they are installed.

None of them is quiet of itself.
"""

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
"""Of ray's object store, which is made before."""


def others() -> Iterator[Handover]:
    """What needs no servers."""
    with suppress(ImportError):
        yield from _torch()
    with suppress(ImportError):
        yield _joblib()


def _torch() -> list[Handover]:
    """Tensors in shared memory, whose descriptors travel."""
    torch = import_module("torch")
    # Threads to copy with wait for each other where others have the cores; nobody else here has any.
    torch.set_num_threads(1)
    # So that tensors are known to the pickler of connections.
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
    """A call in a pool of two: what is larger than 1 MiB is written to a file that the worker maps."""
    joblib = import_module("joblib")
    tracker = import_module("joblib.externals.loky.backend.resource_tracker")
    with _silent():
        # It tells of each file that it was told of too seldom.
        tracker.ensure_running()
    pool, call = joblib.Parallel(2), joblib.delayed(answer_to)

    def trip(n: int, mark: int) -> int:
        (got,) = pool([call(marked(n, mark))])
        return int(got)

    return Handover("joblib", trip)


@contextmanager
def cluster() -> Iterator[list[Handover]]:
    """Ray's way, as long as its servers run; none where it is not installed, or will not start."""
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
    """In a process of ray's."""

    def answer(self, array: Any) -> int:
        return answer_to(array)


@contextmanager
def _silent() -> Iterator[None]:
    """Let what is started meanwhile have no standard error."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
