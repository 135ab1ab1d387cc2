"""Parcels: dumped when they are pickled, claimed when they arrive, opened by who wants them."""

from __future__ import annotations

import gc
import pickle
import tracemalloc

import numpy as np
import pytest

from pagebuddy import StaleHandle
from pagebuddy.buffers.bodies import writing
from pagebuddy.exchange import dumping
from pagebuddy.pool.parcel import Parcel


@pytest.fixture
def arena(Arena):
    return Arena("4 MiB")


def figures(arena):
    gc.collect()
    return arena.stats().used, arena.stats().tickets


def test_it_is_dumped_when_it_is_pickled(arena):
    parcel = Parcel(arena, np.arange(5000))
    assert figures(arena) == (0, 0)
    data = pickle.dumps(parcel)
    assert figures(arena) == (10, 1)
    arrived = pickle.loads(data)
    assert figures(arena) == (10, 0)
    assert arrived.opened().sum() == 12497500
    assert arrived.opened() is arrived.opened()
    assert parcel.opened().sum() == 12497500
    del arrived
    assert figures(arena) == (0, 0)


def test_one_that_nobody_opens_lets_go(arena):
    arrived = pickle.loads(pickle.dumps(Parcel(arena, np.arange(5000))))
    del arrived
    assert figures(arena) == (0, 0)


def test_unpickling_never_raises_opening_does(arena):
    data = pickle.dumps(Parcel(arena, np.arange(5000)))
    pickle.loads(data)
    stale = pickle.loads(data)
    for _ in range(2):
        with pytest.raises(StaleHandle):
            stale.opened()


class Awkward:
    """What raises these, one after the other, each time it is unpickled."""

    def __init__(self, *errors):
        self.errors = errors

    def __reduce__(self):
        COMING[:] = self.errors
        return raise_next, ()


COMING = []


def raise_next():
    if COMING:
        raise COMING.pop(0)
    return "at last"


def test_one_whose_opening_was_interrupted_is_opened_again(arena):
    contents = [np.arange(5000), Awkward(KeyboardInterrupt(), KeyboardInterrupt())]
    arrived = pickle.loads(pickle.dumps(Parcel(arena, contents)))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            arrived.opened()
    array, word = arrived.opened()
    assert (array.sum(), word) == (12497500, "at last")
    del arrived, array, contents
    assert figures(arena) == (0, 0)


def test_one_that_cannot_be_opened_keeps_nothing(arena):
    arrived = pickle.loads(pickle.dumps(Parcel(arena, [np.arange(5000), Awkward(KeyError("odd"))])))
    for _ in range(2):
        with pytest.raises(KeyError, match="odd"):
            arrived.opened()
        assert isinstance(arrived.failure(), KeyError)
        assert figures(arena) == (0, 0)


def test_where_the_arena_is_gone_opening_says_so(arena, Arena):
    other = Arena("1 MiB")
    data = pickle.dumps(Parcel(other, [1]))
    del other
    gc.collect()
    with pytest.raises(StaleHandle, match="no longer attached"):
        pickle.loads(data).opened()


def test_what_was_sent_and_not_delivered_ends(arena):
    parcel = Parcel(arena, [np.arange(5000), "x" * 10_000])
    sent = parcel.sent
    data = pickle.dumps(parcel)
    assert figures(arena)[1] == 2
    sent.end()
    assert figures(arena) == (0, 0)
    with pytest.raises(StaleHandle):
        pickle.loads(data).opened()
    # What is pickled too late ends at once.
    pickle.dumps(parcel)
    assert figures(arena) == (0, 0)


# Compiled, a message is made by the line that calls the engine.
MESSAGES = [tracemalloc.Filter(True, made_by.__file__) for made_by in (dumping, writing)]


def test_what_names_no_buffers_is_not_remembered(arena):
    """A pool sends what its workers begin with once for each, and there may be many after each other."""
    parcel = Parcel(arena, (None, ("x" * 3000,)))
    tracemalloc.start()
    try:
        for _ in range(100):
            pickle.dumps(parcel)
        messages = tracemalloc.take_snapshot().filter_traces(MESSAGES)
    finally:
        tracemalloc.stop()
    assert all(trace.size < 3000 for trace in messages.traces)
    assert parcel.sent is not None
