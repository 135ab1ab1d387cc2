"""One order for several buffers: whatever is read when, nothing comes too late."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy.tools.recording.event_order import EventOrder, Read
from pagebuddy.tools.recording.timed_events import TimedEvents


def at(times):
    n = len(times)
    return TimedEvents(
        np.array(times, np.uint64),
        np.zeros(n, np.bool_),
        np.ones(n, np.bool_),
        np.arange(n, dtype=np.uint64),
        np.zeros(n, np.uint8),
    )


def test_a_buffer_not_drained_holds_the_others_back():
    order = EventOrder()
    assert order.add([Read(at([1, 50]), True), Read(at([2, 3]), False)]).time.tolist() == []
    assert order.add([Read(at([60]), True), Read(at([4, 5]), False)]).time.tolist() == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert order.add([Read(at([]), True), Read(at([6]), True)]).time.tolist() == [6, 50, 60]
    assert order.rest().time.tolist() == []


def test_a_buffer_that_gave_pages_without_events_holds_everything_back():
    order = EventOrder()
    order.add([Read(at([1]), True), Read(at([]), True)])
    assert order.add([Read(at([2]), True), Read(at([]), False)]).time.size == 0
    assert order.rest().time.tolist() == [1, 2]


@given(st.data())
def test_rounds_become_one_order(data):
    """Buffers that fill while they are read, one after the other, each up to a limit."""
    n_buffers = data.draw(st.integers(1, 3))
    limit = data.draw(st.integers(1, 4))
    buffers = [[] for _ in range(n_buffers)]
    order, now, given_on, everything = EventOrder(), 0, [], []

    def pass_time():
        nonlocal now
        for buffer in data.draw(st.lists(st.sampled_from(buffers), max_size=6)):
            now += data.draw(st.integers(0, 2))
            buffer.append(now)
            everything.append(now)

    for _ in range(data.draw(st.integers(1, 5))):
        reads = []
        for buffer in buffers:
            pass_time()
            taken, buffer[:] = buffer[:limit], buffer[limit:]
            reads.append(Read(at(taken), drained=len(taken) < limit))
        given_on += order.add(reads).time.tolist()
    given_on += order.rest().time.tolist()
    for buffer in buffers:
        for time in buffer:
            everything.remove(time)
    assert given_on == sorted(everything)
