"""Many short calls are sent together; one that takes long, or kills its worker, concerns no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import wait

import pytest

import pagebuddy as pb

N = 400
# So that it is not the first in its batch.
ODD_ONE = 101


def same(x):
    return x


def wait_at(number, folder):
    """Return a number; the odd one only when there is a file."""
    if number == ODD_ONE:
        while not (folder / "go").exists():
            time.sleep(0.001)
    return number


def die_at(number, folder):
    """Note a number; the odd one then kills this process."""
    with open(folder / "begun", "ab", buffering=0) as file:
        file.write(b"%d\n" % number)
    if number == ODD_ONE:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def n_messages(pool):
    """How many messages with calls were ever sent."""
    return pool._dispatcher.rings.calls.range_of_numbers()[1]


@pytest.fixture
def pool():
    arena = pb.Arena("64 MiB")
    if not pb.COMPILED:
        pytest.skip("uncompiled, each call is sent alone")
    with pb.ArenaExecutor(2, multiprocessing.get_context("forkserver"), arena=arena) as pool:
        yield pool


@pytest.mark.one_engine
def test_short_calls_are_sent_together(pool):
    assert list(pool.map(same, range(5000))) == list(range(5000))
    assert n_messages(pool) < 2500


@pytest.mark.one_engine
def test_a_long_call_holds_up_no_other(pool, tmp_path):
    # How long it takes is known from these, wrongly.
    (tmp_path / "go").touch()
    list(pool.map(wait_at, range(N), [tmp_path] * N))
    (tmp_path / "go").unlink()
    before = n_messages(pool)
    futures = [pool.submit(wait_at, number, tmp_path) for number in range(N)]
    odd_one = futures.pop(ODD_ONE)
    try:
        assert not wait(futures, timeout=60).not_done
        assert not odd_one.done()
    finally:
        (tmp_path / "go").touch()
    assert odd_one.result() == ODD_ONE
    assert n_messages(pool) - before < N


@pytest.mark.one_engine
def test_a_death_among_short_calls_fails_one_and_runs_none_twice(pool, tmp_path):
    futures = [pool.submit(die_at, number, tmp_path) for number in range(N)]
    odd_one = futures.pop(ODD_ONE)
    died = odd_one.exception()
    assert isinstance(died, pb.WorkerDied)
    assert died.call.endswith("die_at")
    assert [future.result() for future in futures] == [n for n in range(N) if n != ODD_ONE]
    begun = [int(line) for line in (tmp_path / "begun").read_text().split()]
    assert sorted(begun) == list(range(N))


@pytest.mark.one_engine
def test_a_pool_shows_its_workers_and_calls(pool):
    assert repr(pool) == "<ArenaExecutor: 0 workers; calls: 0 waiting, 0 sent, 0 done>"
    pool.submit(same, 1).result()
    assert repr(pool) == "<ArenaExecutor: 1 workers; calls: 0 waiting, 0 sent, 1 done>"
    pool.shutdown()
    assert repr(pool) == "<ArenaExecutor: 0 workers; calls: 0 waiting, 0 sent, 1 done, shut down>"
