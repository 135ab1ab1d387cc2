"""What a pool of processes does with arrays.

python jobs_of_a_pool.py START_METHOD
"""

from __future__ import annotations

import asyncio
import builtins
import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import tracemalloc
import weakref
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

import pagebuddy as pb
from pagebuddy.buffers.bodies import writing
from pagebuddy.exchange import dumping

STARTED: list[object] = []


def doubled(array):
    return array * 2


def same(thing):
    return thing


def changed(array):
    array[0] = 7


def combined(*arrays, scale=1):
    return scale * sum(array.sum() for array in arrays)


def failing(array):
    raise pb.OutOfPages(len(array), 2, 1)


class Odd:
    """What the parent cannot unpickle."""

    def __reduce__(self):
        return int, ("odd",)


def odd(array):
    return array, Odd()


def failing_later(array):
    try:
        array[array.size]
    except IndexError as error:
        another = ValueError("another")
        group = getattr(builtins, "ExceptionGroup", None)
        raise group("several", [error, another]) if group else another from error


def failing_meanwhile(array):
    try:
        array[array.size]
    finally:
        {}["missing"]


def dying(array):
    os.kill(os.getpid(), signal.SIGKILL)


def begin(*arguments):
    STARTED.extend(arguments)


def started(_):
    return STARTED


def worker(_):
    return os.getpid()


def nothing_left(arena):
    gc.collect()
    arena.reap()
    stats = arena.stats()
    assert (stats.used, stats.tickets, stats.processes) == (0, 0, 1), (stats, arena.processes())
    arena.verify()


def check_results(arena, context):
    arrays = [np.full(20_000, i) for i in range(12)]
    with pb.ArenaExecutor(2, context, arena=arena) as pool:
        assert pool.arena is arena
        results = list(pool.map(doubled, arrays))
        for i, result in enumerate(results):
            assert (result == 2 * i).all()
            arena.buffer_of(result)
        # Many small calls at once.
        assert list(pool.map(same, range(100), chunksize=7)) == list(range(100))
        futures = [pool.submit(combined, a, a[:10], scale=2) for a in arrays]
        found = sorted(future.result() for future in as_completed(futures))
        assert found == [2 * 20_010 * i for i in range(12)]
        # What lies in the arena is passed on as it is.
        inside = arena.zeros(10_000)
        future = pool.submit(changed, inside)
        assert future.result() is None
        assert inside[0] == 7
        there = pool.submit(same, inside[::2])
        assert there.result() is there.result()
        assert np.shares_memory(there.result(), inside)
        assert pool.submit(same, arena.buffer_of(inside)).result().nbytes == inside.nbytes
        del inside, there, future, futures, arrays
    # A result outlives its pool, and its pages live as long as it.
    assert (results[5] == 10).all()
    assert arena.stats().used == 12 * 40
    del results[1:], result
    gc.collect()
    arena.reap()
    assert arena.stats().used == 40
    del results
    nothing_left(arena)


def check_failures(arena, context):
    with pb.ArenaExecutor(2, context, arena=arena) as pool:
        own = arena.stats().used
        too_long = pool.submit(combined, np.zeros(5000), np.zeros(10**7))
        assert isinstance(too_long.exception(), pb.OutOfPages)
        # What had room was copied in, and the error is at hand.
        assert arena.stats().used == own
        future = pool.submit(failing, np.zeros(5000))
        error = future.exception()
        assert isinstance(error, pb.OutOfPages)
        assert (error.requested, error.free) == (5000, 2)
        strange = pool.submit(threading.Lock)
        assert strange.exception() is not None
        # None of this broke the pool.
        assert pool.submit(doubled, np.ones(5000)).result().sum() == 10_000
    del future, too_long, strange, error
    nothing_left(arena)


def check_what_failed_calls_leave(arena, context):
    with pb.ArenaExecutor(1, context, arena=arena) as pool:
        own = arena.stats().used
        for job in failing, failing_later, failing_meanwhile:
            future = pool.submit(job, np.zeros(5000))
            error = future.exception()
            assert job.__name__ in str(error.__cause__)
            # The worker refers to nothing of it, even if it is given nothing else to do.
            assert arena.stats().used == own, job
            del future, error


# Compiled, a message is made by the line that calls the engine.
MESSAGES = [tracemalloc.Filter(True, made_by.__file__) for made_by in (dumping, writing)]


def check_that_futures_are_small(arena, context):
    n, length = 200, 3000
    inside = arena.zeros(10)
    with pb.ArenaExecutor(1, context, arena=arena) as pool:
        pool.submit(same, 0).result()
        tracemalloc.start()
        futures = [pool.submit(len, [inside, bytes(length)]) for _ in range(n)]
        assert [future.result() for future in futures] == [2] * n
    messages = tracemalloc.take_snapshot().filter_traces(MESSAGES)
    tracemalloc.stop()
    assert all(trace.size < length for trace in messages.traces)


def raised_by(call, *arguments):
    try:
        call(*arguments)
    except Exception as error:
        return error
    return None


async def awaited(pool, *call):
    return await asyncio.get_running_loop().run_in_executor(pool, *call)


def check_results_that_cannot_be_unpickled(arena, context):
    with pb.ArenaExecutor(2, context, arena=arena) as pool:
        future = pool.submit(odd, np.zeros(5000))
        for _ in range(2):
            assert isinstance(future.exception(), ValueError)
            assert raised_by(future.result) is future.exception()
        # It asks for the exception first, and would wait without end if there was none.
        assert isinstance(raised_by(asyncio.run, awaited(pool, odd, np.zeros(5000))), ValueError)
        assert asyncio.run(awaited(pool, doubled, np.ones(5000))).sum() == 10_000
    del future
    nothing_left(arena)


def check_death(arena, context):
    if context.get_start_method() == "fork":
        check_that_death_breaks_a_pool(arena, context)
        return
    with pb.ArenaExecutor(2, context, arena=arena) as pool:
        array = np.ones(5000)
        futures = [pool.submit(job, array) for job in [doubled, dying] * 4]
        for future in futures[::2]:
            assert future.result().sum() == 10_000
        for future in futures[1::2]:
            died = future.exception()
            assert isinstance(died, pb.WorkerDied), died
            assert (died.signal, died.exitcode) == (signal.SIGKILL, -signal.SIGKILL)
            assert died.call == "__main__.dying"
            assert died.pid != os.getpid()
        assert sum(one.sum() for one in pool.map(doubled, [array] * 8)) == 80_000
    del future, futures, died
    nothing_left(arena)


def check_that_death_breaks_a_pool(arena, context):
    with pb.ArenaExecutor(2, context, arena=arena, restart=False) as pool:
        array = np.ones(5000)
        assert sum(one.sum() for one in pool.map(doubled, [array] * 8)) == 80_000
        futures = [
            pool.submit(signal.pause),
            pool.submit(dying, array),
            pool.submit(doubled, array),
        ]
        for future in futures[:2]:
            assert isinstance(future.exception(), BrokenProcessPool)
        try:
            pool.submit(doubled, array)
        except BrokenProcessPool:
            pass
        else:
            raise AssertionError("a broken pool took a call")
    del future, futures
    nothing_left(arena)


def check_death_beside_a_call_that_was_cancelled(arena, context):
    with pb.ArenaExecutor(1, context, arena=arena, restart=False) as pool:
        pid = pool.submit(os.getpid).result()
        futures = [pool.submit(signal.pause)]
        # More than a worker is sent at a time.
        futures += [pool.submit(doubled, np.ones(5000)) for _ in range(8)]
        cancelled = futures.pop(7)
        assert cancelled.cancel()
        os.kill(pid, signal.SIGKILL)
        for future in futures:
            assert isinstance(future.exception(timeout=60), BrokenProcessPool)
        assert cancelled.cancelled()
    assert multiprocessing.active_children() == []
    del futures, future, cancelled
    nothing_left(arena)


def died_before(folder, name):
    if (folder / name).exists():
        return name
    (folder / name).touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def check_retries(arena, context):
    if context.get_start_method() == "fork":
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        pb.ArenaExecutor(2, context, arena=arena, retries=1) as pool,
    ):
        results = pool.map(died_before, [Path(folder)] * 2, ["one", "two"])
        assert list(results) == ["one", "two"]
        assert isinstance(pool.submit(dying, 0).exception(), pb.WorkerDied)
    nothing_left(arena)


def check_options(arena, context):
    table = np.arange(5000)
    with pb.ArenaExecutor(
        2, mp_context=context, initializer=begin, initargs=("one", table), arena=arena
    ) as pool:
        future = pool.submit(started, 0)
        # The second, at the end of the block too, does not wait any more, while the worker still begins.
        pool.shutdown(wait=False)
        pool.shutdown()
    word, array = future.result()
    del future
    assert word == "one"
    assert (array == table).all()
    del word, array
    for process in multiprocessing.active_children():
        process.join()
    nothing_left(arena)
    if context.get_start_method() != "fork":
        with pb.ArenaExecutor(1, context, arena=arena, max_tasks_per_child=1) as pool:
            assert len(set(pool.map(worker, range(2)))) == 2
        nothing_left(arena)


def check_own_arena(context):
    with pb.ArenaExecutor(1, context) as pool:
        assert pool.arena.size > 1 << 28
        result = pool.submit(doubled, np.ones(5000)).result()
        own = weakref.ref(pool.arena)
    del pool
    gc.collect()
    assert own() is None
    assert result.sum() == 10_000


CHECKS = [
    check_results,
    check_failures,
    check_what_failed_calls_leave,
    check_that_futures_are_small,
    check_results_that_cannot_be_unpickled,
    check_death,
    check_that_death_breaks_a_pool,
    check_death_beside_a_call_that_was_cancelled,
    check_retries,
    check_options,
]


def main(method):
    context = multiprocessing.get_context(method)
    arena = pb.Arena("16 MiB")
    for check in CHECKS:
        check(arena, context)
    check_own_arena(context)


if __name__ == "__main__":
    main(sys.argv[1])
