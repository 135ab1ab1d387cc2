"""Memory that Dask limits: spilling, and what counts as a worker's memory."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

pytest.importorskip("distributed")

import dask
from distributed import Client, Scheduler, SpecCluster, Worker

from tests.adapters.dask import on_workers
from tests.adapters.dask.conftest import PRELOAD, nanny

MIB = 1 << 20
QUIET = {"dashboard": False, "dashboard_address": ":0", "host": "127.0.0.1", "port": 0}


def test_results_are_spilled_and_read_again(name):
    """The two workers are threads of this process, without nannies."""
    settings = {
        "distributed.pagebuddy.arena": name,
        "distributed.pagebuddy.size": "64 MiB",
        "distributed.worker.memory.target": 0.6,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
    }
    options = {"preload": PRELOAD, "host": "127.0.0.1", "nthreads": 2, "dashboard": False}

    async def spilling():
        async with (
            Scheduler(**QUIET) as scheduler,
            Worker(scheduler.address, name="one", memory_limit=8 * MIB, **options) as one,
            Worker(scheduler.address, name="two", memory_limit=0, **options),
            Client(scheduler.address, asynchronous=True) as client,
        ):
            made = [
                client.submit(on_workers.filled, MIB, i, workers=["one"], pure=False)
                for i in range(10)
            ]
            await asyncio.gather(*made)
            in_memory, on_disk = len(one.data.memory), len(one.data.disk)
            assert (in_memory, on_disk) == (4, 6)
            got = await client.gather(
                [client.submit(on_workers.described, each, workers=["two"]) for each in made]
            )
            assert got == [(True, i, i, True) for i in range(10)]

    with dask.config.set(settings):
        asyncio.run(spilling())


def test_a_worker_that_exceeds_its_limit_spills_no_more_than_it_must(name, until):
    settings = {
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": 0.6,
        "distributed.worker.memory.pause": 0.9,
        "distributed.worker.memory.terminate": False,
    }
    worker = nanny("w", name, memory_limit="500 MiB")
    worker["options"]["config"] |= {**settings, "distributed.pagebuddy.size": "1 GiB"}
    with (
        SpecCluster({"w": worker}, {"cls": Scheduler, "options": QUIET}) as cluster,
        Client(cluster) as client,
    ):
        kept = []
        for i in range(16):
            kept.append(client.submit(on_workers.filled, 16 * MIB, i, pure=False))

        def n_spilled():
            return client.submit(on_workers.spilled, pure=False).result()

        for each in kept:
            each.result()
        until(lambda: n_spilled()[1] > 0)
        in_memory, on_disk = n_spilled()
        assert in_memory + on_disk >= len(kept)
        assert in_memory > 4
        assert [int(each.result()[0]) for each in kept] == list(range(16))


def test_pages_that_a_worker_has_dropped_do_not_count_as_its_memory(
    client, on, run_on, until_in_use
):
    until_in_use(0)
    held = on("a1", on_workers.filled, 8 * MIB, 7)
    dropped = on("a1", on_workers.filled, 32 * MIB, 8)
    dropped.result()
    assert run_on("a1", on_workers.resident) >= 40 * MIB
    del dropped
    until_in_use(8 * MIB)
    run_on("a1", on_workers.forget)
    assert run_on("a1", on_workers.resident) < 9 * MIB
    assert on("a1", on_workers.described, held).result() == (True, 7, 7, True)


def test_the_threads_of_a_worker_make_their_results_in_the_arena(client, on):
    made = [on("a1", on_workers.filled, MIB, i) for i in range(40)]
    seen = [on("a2", on_workers.described, each) for each in made]
    assert client.gather(seen) == [(True, i, i, True) for i in range(40)]
    assert np.all([each.result()[0] == i for i, each in enumerate(made)])
