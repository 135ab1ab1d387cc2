"""Queues that are empty or full: a call says so, or waits, and a signal interrupts it."""

from __future__ import annotations

import math
import signal
import socket
import threading
from queue import Empty, Full

import numpy as np
import pytest


def filled(queue, **how):
    """Put numbers until the queue is full; return how many."""
    n = 0
    while True:
        try:
            queue.put(n, **(how or {"block": False}))
        except Full:
            return n
        n += 1


# -- empty and full ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"block": False}, {"timeout": 0}, {"timeout": 0.01}])
def test_an_empty_queue(queue, how):
    why = f", and nothing was put within {how['timeout']} seconds" if "timeout" in how else ""
    with pytest.raises(Empty, match=f"the queue is empty{why}$"):
        queue.get(**how)
    with pytest.raises(Empty, match=r"the queue is empty$"):
        queue.get_nowait()


def test_a_full_queue_says_how_many_messages_wait(arena):
    queue = arena.queue(maxsize=3)
    assert filled(queue) == 3
    assert queue.full()
    with pytest.raises(Full, match=r"the queue has 3 messages, and maxsize is 3; receive some"):
        queue.put_nowait("x")
    with pytest.raises(Full, match=r"maxsize is 3, and none was received within 0.01 seconds"):
        queue.put("x", timeout=0.01)
    # Nothing was taken out.
    assert [queue.get() for _ in range(3)] == [0, 1, 2]
    assert queue.empty()
    assert not queue.full()


def test_a_queue_whose_bytes_are_used_says_how_many_it_has(arena):
    queue = arena.queue("bytes", nbytes=4096)
    with pytest.raises(Full, match=r"the queue 'bytes' has \d messages, .* room for 4096 bytes;"):  # noqa: PT012
        while True:
            queue.put_nowait("x" * 1000)
    assert queue.get() == "x" * 1000


def test_what_was_put_is_received_once_and_in_order(arena):
    queue = arena.queue(nbytes=4096)
    for round_ in range(5):
        n = 0
        with pytest.raises(Full):  # noqa: PT012
            while True:
                queue.put_nowait((round_, n))
                n += 1
        assert [queue.get_nowait() for _ in range(n)] == [(round_, i) for i in range(n)]
        with pytest.raises(Empty):
            queue.get_nowait()


@pytest.mark.parametrize("how", [{"block": False}, {"timeout": 0}, {"timeout": 0.01}])
def test_a_full_queue_keeps_nothing_of_what_it_refused(arena, how, used):
    queue = arena.queue(nbytes=4096)
    before = used(arena)
    n = filled(queue, **how)
    assert n >= 16
    with pytest.raises(Full):
        queue.put_nowait(np.arange(10_000))
    assert used(arena) == before
    assert [queue.get() for _ in range(n)] == list(range(n))
    queue.put(np.arange(10_000), **how)
    assert queue.get().sum() == 49995000
    assert used(arena) == before


def test_a_queue_without_maxsize_is_full_when_it_has_no_cells(arena):
    queue = arena.queue(nbytes=4096)
    assert filled(queue) == queue.qsize()
    assert queue.full()


def test_a_queue_of_more_messages_than_bytes_does_not_lose_any(arena):
    queue = arena.queue(maxsize=100_000, nbytes=4096)
    n = filled(queue)
    assert queue.get_many(n + 1) == list(range(n))


# -- waiting -----------------------------------------------------------------------------------------


def test_what_finds_room_while_it_waits_is_sent_once(arena, used):
    queue = arena.queue(maxsize=20)
    before = used(arena)
    n = filled(queue)
    got = []
    handler = signal.signal(signal.SIGALRM, lambda *_: got.append(queue.get_nowait()))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        queue.put(arena.zeros(1), timeout=60)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    while not queue.empty():
        got.append(queue.get())
    assert got == [*range(n), 0]
    got.clear()
    assert used(arena) == before


def test_put_waits_for_room_and_get_for_a_message(arena, effort):
    queue = arena.queue(maxsize=5)
    n = effort.pick(300, 3000)
    got = []

    def consume():
        got.extend(queue.get(timeout=60) for _ in range(n))

    threads = [threading.Thread(target=consume) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(2 * n):
        queue.put(number, timeout=60)
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(2 * n))
    assert queue.empty()


def test_a_default_timeout_of_sockets_is_none_of_queues(arena):
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(0.001)
    try:
        queue = arena.queue()
    finally:
        socket.setdefaulttimeout(before)
    check_waits(queue)


@pytest.mark.parametrize("timeout", [math.inf, 10**400, 2**31 / 1000], ids=["inf", "huge", "month"])
def test_a_timeout_may_be_as_long_as_you_like(queue, timeout):
    check_waits(queue, timeout)
    queue.put(1, timeout=timeout)
    assert queue.get_many(1, timeout=timeout) == [1]


def check_waits(queue, timeout=None):
    """Check that `get` waits for a message."""
    got = []
    thread = threading.Thread(target=lambda: got.append(queue.get(timeout=timeout)))
    thread.start()
    thread.join(0.1)  # It would have raised.
    queue.put("late", timeout=timeout)
    thread.join()
    assert got == ["late"]


def test_who_waits_for_a_message_is_interrupted_by_a_signal(queue):
    with pytest.raises(Interrupted):
        interrupted(queue.get)
    queue.put(1)
    assert queue.get() == 1


def test_who_waits_for_room_is_interrupted_by_a_signal(arena, used):
    queue = arena.queue(maxsize=1)
    queue.put(1)
    before = used(arena)
    with pytest.raises(Interrupted):
        interrupted(lambda: queue.put(np.zeros(1000)))
    assert used(arena) == before
    assert queue.get() == 1
    assert queue.empty()


class Interrupted(Exception):
    """What a handler of signals raises."""


def interrupted(call):
    """Call a function; a signal comes meanwhile."""

    def interrupt(*_):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
