"""What cannot be sent, and what cannot be read: its call fails alone, with an error that says why."""

from __future__ import annotations

import sys
import threading
import types
from multiprocessing import active_children

import numpy as np
import pytest

from tests.pool import tasks


@pytest.fixture(autouse=True)
def usable_afterwards(shared_pool):
    """The same workers do calls after each test."""
    shared_pool.submit(tasks.doubled, 4).result()
    workers = {worker.pid for worker in active_children()}
    yield
    array = np.ones(5000)
    assert [a.sum() for a in shared_pool.map(tasks.doubled, [array] * 4)] == [10_000] * 4
    assert workers <= {worker.pid for worker in active_children()}


def test_a_generator_is_no_result(shared_pool):
    error = shared_pool.submit(tasks.numbers).exception()
    assert isinstance(error, TypeError)
    assert "generator" in str(error)


def test_a_generator_is_no_argument(shared_pool):
    error = shared_pool.submit(tasks.same, (n for n in range(3))).exception()
    assert isinstance(error, TypeError)
    assert "generator" in str(error)


def test_a_result_that_cannot_be_pickled_is_refused(shared_pool):
    error = shared_pool.submit(tasks.sealed).exception()
    assert isinstance(error, TypeError)
    assert "sealed" in str(error)


def test_an_argument_that_cannot_be_pickled_is_refused(shared_pool):
    assert isinstance(shared_pool.submit(tasks.same, threading.Lock()).exception(), TypeError)
    assert isinstance(shared_pool.submit(tasks.same, tasks.Sealed()).exception(), TypeError)


def test_an_argument_that_cannot_be_unpickled_fails_its_call_alone(shared_pool):
    futures = [shared_pool.submit(tasks.same, thing) for thing in (1, tasks.Unreadable(), 3)]
    assert isinstance(futures[1].exception(), ValueError)
    assert (futures[0].result(), futures[2].result()) == (1, 3)


def test_a_result_that_cannot_be_unpickled_fails_its_call_alone(shared_pool):
    future = shared_pool.submit(tasks.Unreadable)
    assert isinstance(future.exception(), ValueError)
    with pytest.raises(ValueError, match="unreadable"):
        future.result()


def test_a_result_whose_unpickling_raises_system_exit_fails_its_call_alone(new_pool):
    pool = new_pool(1)
    things = (tasks.doubled, 1), (tasks.EndsItsReader,), (tasks.doubled, 4)
    futures = [pool.submit(*thing) for thing in things]
    try:
        assert futures[2].result(timeout=10) == 8
        assert isinstance(futures[1].exception(timeout=10), SystemExit)
        assert futures[0].result(timeout=10) == 2
    finally:
        pool.kill_workers()


def test_a_function_that_is_missing_on_the_other_side_is_named(shared_pool, monkeypatch):
    module = types.ModuleType("only_here")
    exec("def lost(): pass", vars(module))
    monkeypatch.setitem(sys.modules, "only_here", module)
    error = shared_pool.submit(module.lost).exception()
    assert isinstance(error, ModuleNotFoundError)
    assert "only_here" in str(error)
    monkeypatch.setattr(tasks, "lost", lambda: 0, raising=False)
    tasks.lost.__module__, tasks.lost.__qualname__ = tasks.__name__, "lost"
    error = shared_pool.submit(tasks.lost).exception()
    assert isinstance(error, AttributeError)
    assert "lost" in str(error)


@pytest.mark.one_engine
def test_lambdas_and_closures_need_cloudpickle(run):
    of_lambda, of_main = run("without_cloudpickle").splitlines()
    assert of_lambda.startswith("PicklingError ")
    assert "lambda" in of_lambda
    assert "pip install cloudpickle" in of_lambda
    assert of_main.startswith("PicklingError workers cannot import functions of __main__")
    assert "pip install cloudpickle" in of_main


def test_lambdas_and_closures_are_sent_with_cloudpickle(shared_pool):
    pytest.importorskip("cloudpickle")
    factor = np.full(5000, 3)

    def times(array):
        return array * factor

    assert shared_pool.submit(lambda a: a + 1, 7).result() == 8
    assert shared_pool.submit(times, np.full(5000, 2)).result().sum() == 30_000
    assert [a[0] for a in shared_pool.map(times, [np.full(5000, n) for n in range(5)])] == [
        *range(0, 15, 3)
    ]


def test_arrays_that_a_closure_refers_to_stay_in_the_arena(shared_pool):
    pytest.importorskip("cloudpickle")
    shared = shared_pool.arena.zeros(5000)
    private = np.arange(5000)

    def store(n):
        shared[n] = n
        return private[n]

    assert list(shared_pool.map(store, range(3))) == [0, 1, 2]
    assert shared[:4].tolist() == [0, 1, 2, 0]


@pytest.mark.one_engine
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_functions_that_were_typed_in_are_sent_with_cloudpickle(run, start):
    pytest.importorskip("cloudpickle")
    assert run("typed_in", start) == "3 [10, 20] 5 True\n"


def test_what_is_not_callable_is_refused(shared_pool):
    assert isinstance(shared_pool.submit(7, 8).exception(), TypeError)
