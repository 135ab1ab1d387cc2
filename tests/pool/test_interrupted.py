"""An exception at any step of a pool's calls and threads leaves no ticket, hold or page (S11)."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import threading
from concurrent.futures import _base, wait
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

import pagebuddy
from tests.exchange.strikes import Failed, Tracer, account, steps, strike


@pytest.fixture
def arena(Arena):
    return Arena("4 MiB")


@pytest.fixture(params=["line", "opcode"])
def opcodes(request):
    return request.param == "opcode"


# Where Python's own futures wait. An interrupt in the `submit` of its pool can make it use a number
# twice, and in the locks of `threading` leave one locked.
FUTURES = (_base.__file__,)


def new_pool(arena):
    """A pool whose only worker is forked now: a fork later would hold what this process holds then."""
    pool = pagebuddy.ArenaExecutor(1, multiprocessing.get_context("fork"), arena=arena)
    pool.submit(len, "").result()
    return pool


@pytest.fixture
def pool(arena):
    with new_pool(arena) as pool:
        yield pool


def test_an_exception_in_submit_leaves_nothing(arena, pool, engine, effort, opcodes):
    array = arena.zeros(3000)
    before = account(arena)
    for at in steps(effort, opcodes):
        reached = strike(lambda: pool.submit(np.copy, array), at, engine, opcodes)
        # Calls are answered in order.
        pool.submit(len, "").result()
        assert account(arena) == before, at
        if not reached:
            break


def opened(future):
    """Read a result, and drop it."""
    assert future.result().sum() == 3000


def failed(future):
    """Read an exception, and drop it."""
    assert isinstance(future.exception().args[0], np.ndarray)


def fail_with(array):
    raise ValueError(array)


@pytest.mark.parametrize(("call", "read"), [(np.copy, opened), (fail_with, failed)])
def test_a_result_whose_reading_was_interrupted_can_be_read_again(
    arena, pool, engine, effort, opcodes, call, read
):
    array = arena.full(3000, 1.0)
    before = account(arena)
    for at in steps(effort, opcodes):
        future = pool.submit(call, array)
        wait([future])
        reached = strike(lambda future=future: read(future), at, engine, opcodes, FUTURES)
        read(future)
        del future
        # The worker refers to a result for a moment after it was received.
        pool.submit(len, "").result()
        assert account(arena) == before, at
        if not reached:
            break


def test_a_result_that_is_dropped_after_an_interrupt_is_released(
    arena, pool, engine, effort, opcodes
):
    array = arena.full(3000, 1.0)
    before = account(arena)
    for at in steps(effort, opcodes):
        future = pool.submit(np.copy, array)
        wait([future])
        reached = strike(lambda future=future: opened(future), at, engine, opcodes, FUTURES)
        del future
        gc.collect()
        # The worker refers to a result for a moment after it was received.
        pool.submit(len, "").result()
        assert account(arena) == before, at
        if not reached:
            break


class ThreadTracer(Tracer):
    """A tracer of the pool's thread."""

    def __init__(self, engine):
        super().__init__(None, engine, False, error=Failed)

    def __call__(self, frame, event, arg):
        if threading.current_thread().name == "ArenaExecutor":
            return super().__call__(frame, event, arg)
        return None


def test_an_exception_in_the_thread_of_a_pool_leaves_nothing(arena, engine, effort, monkeypatch):
    """Such as MemoryError: the pool may be broken after it."""
    monkeypatch.setattr(threading, "excepthook", lambda failure: None)
    # An exception that is logged refers to the future, and the records are kept.
    monkeypatch.setattr(logging.getLogger("concurrent.futures"), "disabled", True)
    array = arena.full(3000, 1.0)
    before = account(arena)
    for at in steps(effort, False):
        tracer = ThreadTracer(engine)
        threading.settrace(tracer)
        try:
            pool = new_pool(arena)
        finally:
            threading.settrace(None)
        tracer.at = at
        with pool:
            try:
                future = pool.submit(np.copy, array)
            except BrokenProcessPool:
                # While it was idle.
                failure = future = None
            else:
                wait([future])
                failure = future.exception()
        assert isinstance(failure, (type(None), Failed, BrokenProcessPool)), failure
        del pool, future, failure
        arena.reap()
        assert account(arena) == before, at
        if not tracer.has_struck:
            break
