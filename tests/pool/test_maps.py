"""Maps: results in order, whatever the chunks and the buffer are."""

from __future__ import annotations

import itertools
import operator
import threading
from concurrent import futures

import numpy as np
import pytest

from tests.pool import tasks


@pytest.mark.parametrize("chunksize", [1, 3, 64, 1000])
@pytest.mark.parametrize("buffersize", [None, 1, 10])
def test_results_come_in_order(shared_pool, chunksize, buffersize):
    options = {"chunksize": chunksize, "buffersize": buffersize}
    results = shared_pool.map(operator.add, range(200), itertools.count(5), **options)
    assert list(results) == [2 * n + 5 for n in range(200)]


def test_two_maps_at_once_do_not_mix(shared_pool):
    arrays = [np.full(20_000, n) for n in range(30)]
    numbers = shared_pool.map(tasks.doubled, range(30), buffersize=4)
    for n, (number, array) in enumerate(zip(numbers, shared_pool.map(tasks.doubled, arrays))):  # noqa: B905  # until either ends
        assert number == array[0] == array[-1] == 2 * n


def test_maps_in_several_threads_do_not_mix(shared_pool):
    results = {}

    def work(k):
        results[k] = list(shared_pool.map(tasks.doubled, range(k, k + 300), chunksize=1 + k % 20))

    threads = [threading.Thread(target=work, args=(1000 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {1000 * k: [2 * (1000 * k + n) for n in range(300)] for k in range(4)}


def test_nothing_is_mapped_to_nothing(shared_pool):
    assert list(shared_pool.map(tasks.doubled, [])) == []
    assert list(shared_pool.map(tasks.doubled, [], buffersize=2, chunksize=5)) == []


def test_an_error_comes_in_its_place(shared_pool):
    results = shared_pool.map(divmod, [1, 1, 1, 1], [2, 3, 0, 5])
    assert [next(results), next(results)] == [(0, 1), (0, 1)]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


def test_an_error_in_the_input_comes_from_map(shared_pool):
    def items():
        yield 1
        raise KeyError("input")

    with pytest.raises(KeyError, match="input"):
        shared_pool.map(tasks.doubled, items())
    # As in Python 3.14, the next item is read before a result is yielded.
    with pytest.raises(KeyError, match="input"):
        next(shared_pool.map(tasks.doubled, items(), buffersize=1))


def test_a_map_waits_no_longer_than_its_timeout(new_pool, meet):
    meeting = meet()
    pool = new_pool(1)
    results = pool.map(tasks.Meeting.call, [meeting], timeout=0.05)
    meeting.worker()
    with pytest.raises(futures.TimeoutError):
        next(results)
    meeting.let_go()
    assert pool.submit(tasks.doubled, 4).result() == 8


def test_a_map_that_is_dropped_cancels_what_has_not_begun(new_pool, meet, tmp_path):
    meeting = meet()
    pool = new_pool(1)
    running = pool.submit(meeting.call)
    meeting.worker()
    results = pool.map(tasks.noted, [tmp_path / str(n) for n in range(200)])
    # A generator that has not begun to run has nothing to cancel.
    threading.Timer(0.05, meeting.let_go).start()
    next(results)
    results.close()
    running.result()
    pool.submit(tasks.doubled, 1).result()


@pytest.mark.parametrize("chunksize", [0, -1])
def test_a_chunk_has_at_least_one_call(shared_pool, chunksize):
    with pytest.raises(ValueError, match="chunksize"):
        shared_pool.map(tasks.doubled, [1], chunksize=chunksize)
