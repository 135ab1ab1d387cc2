"""A cluster on two hosts, as far as arenas are concerned: each arena is a host."""

from __future__ import annotations

import gc
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pagebuddy import Arena
from pagebuddy.memory.named import FOLDER

PRELOAD = ["pagebuddy.adapters.dask"]
SIZE = "64 MiB"


@pytest.fixture(scope="session")
def arena_names():
    """The names of the arenas of hosts a and b."""
    mark = f"pagebuddy-test-{os.getpid()}-{secrets.token_hex(4)}"
    names = {host: f"{mark}-{host}" for host in "ab"}
    yield names
    for name in names.values():
        with suppress(FileNotFoundError):
            Path(FOLDER, name).unlink()


def nanny(name, arena=None, **options):
    """Describe a worker with a nanny. Without an arena it has no preload."""
    from distributed import Nanny

    config = {"distributed.pagebuddy.arena": arena, "distributed.pagebuddy.size": SIZE}
    preload = {"preload": PRELOAD, "config": config} if arena else {}
    return {"cls": Nanny, "options": {"name": name, "nthreads": 2, **preload, **options}}


@pytest.fixture(scope="session")
def cluster(arena_names, tmp_path_factory):
    """Workers a1 and a2 of one arena, b1 of another, and c1 of none."""
    import dask
    from distributed import Scheduler, SpecCluster

    a, b = arena_names["a"], arena_names["b"]
    folder = str(tmp_path_factory.mktemp("dask"))
    workers = {
        "a1": nanny("a1", a, local_directory=folder),
        "a2": nanny("a2", a, local_directory=folder),
        "b1": nanny("b1", b, local_directory=folder),
        "c1": nanny("c1", local_directory=folder),
    }
    options = {"dashboard": False, "dashboard_address": ":0", "port": 0, "host": "127.0.0.1"}
    quiet = {"distributed.admin.log-length": 0, "distributed.scheduler.allowed-failures": 10}
    with (
        dask.config.set(quiet),
        SpecCluster(workers, {"cls": Scheduler, "options": options}) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster, arena_names):
    """A client on host a."""
    import dask
    from distributed import Client

    import pagebuddy.adapters.dask  # noqa: F401

    with (
        dask.config.set({"distributed.pagebuddy.arena": arena_names["a"]}),
        Client(cluster) as client,
    ):
        client.wait_for_workers(4)
        yield client


@pytest.fixture
def arena(client, arena_names):
    """The arena of host a."""
    with Arena.attach(arena_names["a"]) as arena:
        yield arena


@pytest.fixture
def on(client):
    """Run a function on one worker, as a task without a key of its own; return the future."""

    def submit(worker, function, *args, **options):
        return client.submit(function, *args, workers=[worker], pure=False, **options)

    return submit


@pytest.fixture
def run_on(client):
    """Run a function on one worker outside of tasks; return what it returns."""

    def run(worker, function, *args):
        there = client.scheduler_info(n_workers=-1)["workers"]
        address = next(at for at, each in there.items() if each["name"] == worker)
        return client.run(function, *args, workers=[address])[address]

    return run


@pytest.fixture
def until():
    """Wait until something is so, and fail after a minute."""

    def wait(is_so):
        end = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < end, "it never was so"
            time.sleep(0.01)

    return wait


@pytest.fixture
def until_in_use(client, arena, until):
    """Wait until so many bytes of the arena of host a are in use.

    Event loops leave cycles of frames behind. These keep the arrays that passed through them until
    Python collects garbage, which an idle worker may not do for minutes: here all processes do it.
    """

    def wait(n_bytes):
        def is_so():
            gc.collect()
            client.run(gc.collect, on_error="ignore")
            arena.reap()
            return arena.stats().used_bytes == n_bytes

        until(is_so)

    return wait
