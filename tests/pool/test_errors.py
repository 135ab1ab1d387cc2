"""Exceptions of calls: they keep their traceback, their arrays and their kind."""

from __future__ import annotations

import sys
import traceback

import numpy as np
import pytest

from tests.pool import tasks


def test_an_exception_keeps_the_text_of_its_traceback(shared_pool):
    error = shared_pool.submit(tasks.raise_with, RuntimeError, 7).exception()
    assert (type(error), error.args) == (RuntimeError, (7,))
    told = "".join(traceback.format_exception(error))
    assert "raise kind(thing)" in told
    assert "tasks.py" in told


def test_an_array_in_an_exception_comes(shared_pool):
    error = shared_pool.submit(tasks.raise_with, ValueError, np.arange(5000)).exception()
    assert (error.args[0] == np.arange(5000)).all()


def test_what_is_no_exception_but_a_base_exception_comes(shared_pool):
    for kind in (tasks.Ending, KeyboardInterrupt, GeneratorExit):
        future = shared_pool.submit(tasks.raise_with, kind, "over")
        assert isinstance(future.exception(), kind)
        with pytest.raises(kind, match="over"):
            future.result()
    assert shared_pool.submit(tasks.doubled, 4).result() == 8


def test_an_exception_that_cannot_be_pickled_is_told_of(shared_pool):
    error = shared_pool.submit(tasks.raise_with, ValueError, tasks.Sealed()).exception()
    assert error is not None
    assert "sealed" in "".join(traceback.format_exception(error))


def test_an_exception_that_was_read_twice_is_the_same(shared_pool):
    future = shared_pool.submit(tasks.raise_with, ValueError, "once")
    first = future.exception()
    with pytest.raises(ValueError, match="once"):
        future.result()
    assert sys.exc_info()[1] is None
    assert future.exception() is first
