"""Queues: each message once, in order, and no lock that could be left locked."""

from __future__ import annotations

import gc
import math
import pickle
import signal
import socket
import threading
from queue import Empty, Full

import numpy as np
import pytest

from pagebuddy import ArenaClosed, OutOfPages


@pytest.fixture
def arena(Arena):
    return Arena("4 MiB")


@pytest.fixture
def queue(arena):
    with arena.queue() as made:
        yield made


def nothing_left(arena):
    gc.collect()
    return arena.stats().used == arena.stats().tickets == 0


def test_messages_come_in_order_and_once(queue):
    for sent in (1, "two", [3], None):
        queue.put(sent)
    assert [queue.get() for _ in range(4)] == [1, "two", [3], None]
    assert queue.empty()


@pytest.mark.parametrize("n", [0, 1, 500, 5000, 300_000])
def test_messages_of_any_length(arena, queue, n):
    queue.put({"array": np.arange(n), "bytes": bytes(n)})
    assert not queue.empty()
    got = queue.get()
    assert got["array"].tolist() == list(range(n))
    assert got["bytes"] == bytes(n)
    del got
    assert nothing_left(arena)


def test_an_array_in_the_arena_is_not_copied(arena, queue):
    sent = arena.zeros(100_000)
    before = arena.stats().used
    queue.put(sent)
    got = queue.get()
    assert arena.stats().used == before
    sent[7] = 7
    assert got[7] == 7


@pytest.mark.parametrize("how", [{"block": False}, {"timeout": 0}, {"timeout": 0.01}])
def test_an_empty_queue(queue, how):
    why = f"within {how['timeout']} seconds" if "timeout" in how else "was not to wait"
    with pytest.raises(Empty, match=rf"has 0 messages \(0 bytes\), and .*{why}"):
        queue.get(**how)
    with pytest.raises(Empty, match=r"has 0 messages \(0 bytes\), and .*was not to wait"):
        queue.get_nowait()


def test_a_full_queue_says_how_many_messages_and_bytes_wait(arena, queue):
    sent = []
    with pytest.raises(Full) as caught:  # noqa: PT012
        while True:
            sent.append("x" * (len(sent) * 37 % 500))
            queue.put_nowait(sent[-1])
    sent.pop()
    n_bytes = sum(len(arena.dumps(text)) for text in sent)
    assert f"the queue has {len(sent)} messages ({n_bytes} bytes) waiting" in str(caught.value)
    with pytest.raises(Full, match=rf"has {len(sent)} messages .* within 0.01 seconds"):
        queue.put("x" * 500, timeout=0.01)
    # Counting takes nothing out.
    assert [queue.get() for _ in sent[:-1]] == sent[:-1]
    assert queue.get() == sent[-1]
    assert queue.empty()


def test_what_was_counted_is_received_once_and_in_order(queue):
    for round_ in range(3):
        n = 0
        with pytest.raises(Full):  # noqa: PT012
            while True:
                queue.put_nowait((round_, n))
                n += 1
        assert [queue.get_nowait() for _ in range(n)] == [(round_, i) for i in range(n)]
        with pytest.raises(Empty):
            queue.get_nowait()


@pytest.mark.parametrize("how", [{"block": False}, {"timeout": 0}, {"timeout": 0.01}])
def test_a_full_queue_keeps_nothing_of_what_it_refused(arena, queue, how):
    n = 0
    with pytest.raises(Full):  # noqa: PT012
        while True:
            queue.put(n, **how)
            n += 1
    assert n > 100
    with pytest.raises(Full):
        queue.put_nowait(np.arange(10_000))
    assert nothing_left(arena)
    assert [queue.get() for _ in range(n)] == list(range(n))
    queue.put(np.arange(10_000), **how)
    assert queue.get().sum() == 49995000


def test_what_finds_room_at_the_last_moment_is_sent_once(arena, queue):
    n = 0
    while True:
        try:
            queue.put(n, block=False)
        except Full:
            break
        n += 1
    got = []
    # Room for one is not what the system calls ready, so that `put` waits until its time is over.
    before = signal.signal(signal.SIGALRM, lambda *_: got.append(queue.get_nowait()))
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        queue.put(arena.zeros(1), timeout=0.5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    while not queue.empty():
        got.append(queue.get())
    assert got == [*range(n), 0]
    got.clear()
    assert nothing_left(arena)


def test_put_waits_for_room_and_get_for_a_message(arena, queue):
    n = 3000
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
    assert nothing_left(arena)


def test_a_default_timeout_of_sockets_is_none_of_queues(arena):
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(0.001)
    try:
        queue = arena.queue()
    finally:
        socket.setdefaulttimeout(before)
    got = []
    thread = threading.Thread(target=lambda: got.append(queue.get()))
    thread.start()
    thread.join(0.1)  # A hundred times as long: it would have raised.
    queue.put("late")
    thread.join()
    assert got == ["late"]
    queue.close()


@pytest.mark.parametrize("timeout", [math.inf, 10**400, 2**31 / 1000], ids=["inf", "huge", "month"])
def test_a_timeout_may_be_as_long_as_you_like(arena, queue, timeout):
    got = []
    thread = threading.Thread(target=lambda: got.append(queue.get(timeout=timeout)))
    thread.start()
    thread.join(0.1)  # It would have raised.
    queue.put("late", timeout=timeout)
    thread.join()
    assert got == ["late"]


def test_who_waits_for_a_message_is_interrupted_by_a_signal(arena, queue):
    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(Interrupted):  # noqa: PT012
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            queue.get()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    queue.put(1)
    assert queue.get() == 1


def test_what_cannot_be_sent_leaves_nothing(arena, queue):
    with pytest.raises(OutOfPages):
        queue.put([np.zeros(100_000), np.zeros(1_000_000)])
    with pytest.raises((pickle.PicklingError, AttributeError)):
        queue.put([np.zeros(100_000), lambda: 0])
    assert nothing_left(arena)
    assert queue.empty()


@pytest.mark.parametrize(("timeout", "error"), [("5", TypeError), (-1, ValueError)])
def test_timeouts_are_checked(queue, timeout, error):
    with pytest.raises(error, match="timeout"):
        queue.put(1, timeout=timeout)
    with pytest.raises(error, match="timeout"):
        queue.get(timeout=timeout)


def test_a_closed_queue_refuses(arena):
    queue = arena.queue()
    assert not queue.closed
    queue.close()
    queue.close()
    assert queue.closed
    assert repr(queue).endswith("closed>")
    for use in (queue.get, queue.empty, queue.__enter__, queue.__reduce__, lambda: queue.put(1)):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_the_arena_may_be_closed_behind_it(arena, queue):
    arena.close()
    with pytest.raises(ArenaClosed):
        queue.put(1)
    with pytest.raises(ArenaClosed):
        queue.get(timeout=0)


def test_processes_started_in_any_way(run, start):
    run("through_a_queue", start)


def test_killed_processes_leave_the_others_working(run, start):
    run("killed_at_a_queue", start)
