"""Queues: what ends an iteration, a wait, a task, or the queue itself."""

from __future__ import annotations

import threading
from queue import Empty

import numpy as np
import pytest

from pagebuddy import ArenaClosed, ShutDown

# -- iteration ---------------------------------------------------------------------------------------


def test_iteration_ends_when_the_queue_is_closed(queue):
    queue.put_many("abc")
    got = []
    for message in queue:
        got.append(message)
        if message == "b":
            queue.close()
    assert got == ["a", "b"]


def test_iteration_ends_when_the_queue_is_unlinked(arena):
    queue = arena.queue("frames")
    queue.put_many("abc")
    queue.unlink()
    assert list(queue) == ["a", "b", "c"]


# -- producers and tasks -----------------------------------------------------------------------------


def test_a_consumer_waits_while_there_are_producers(arena):
    queue, other = arena.queue("frames"), arena.queue("frames")
    with pytest.raises(Empty):
        # There never was one.
        queue.get(timeout=0.01, while_producers=True)
    other.put(1)
    assert queue.get(while_producers=True) == 1
    with pytest.raises(Empty):
        queue.get(timeout=0.01, while_producers=True)
    other.close()
    with pytest.raises(ShutDown, match="the queue 'frames' is empty, and all its producers are"):
        queue.get(while_producers=True)
    with pytest.raises(ShutDown):
        queue.get(block=False, while_producers=True)
    with pytest.raises(Empty):
        queue.get_nowait()


def test_a_producer_that_closes_wakes_who_waits_for_it(arena):
    queue, other = arena.queue("frames"), arena.queue("frames")
    other.put(1)
    assert queue.get() == 1
    raised = []

    def get():
        with pytest.raises(ShutDown):
            queue.get(while_producers=True)
        raised.append(1)

    threads = [threading.Thread(target=get) for _ in range(3)]
    for thread in threads:
        thread.start()
    threads[0].join(0.05)
    other.close()
    for thread in threads:
        thread.join()
    assert len(raised) == 3


def test_join_waits_for_what_was_put_and_not_reported_as_done(queue):
    queue.join()
    queue.put_many("ab")
    with pytest.raises(TimeoutError, match=r"2 messages of the queue are not done after 0.01 sec"):
        queue.join(timeout=0.01)
    queue.get()
    queue.get()
    queue.task_done()
    with pytest.raises(TimeoutError, match="1 message"):
        queue.join(timeout=0)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(queue.join()))
    thread.start()
    thread.join(0.05)
    assert not ended
    queue.task_done()
    thread.join()
    assert ended


def test_more_tasks_cannot_be_done_than_were_received(queue):
    queue.put(1)
    with pytest.raises(ValueError, match="task_done"):
        queue.task_done()
    queue.get()
    queue.task_done()
    with pytest.raises(ValueError, match="task_done"):
        queue.task_done()
    queue.join()


# -- closed queues and arenas ------------------------------------------------------------------------


def test_close_ends_what_other_threads_do_with_it(arena):
    queue = arena.queue(maxsize=1)
    queue.put(1)
    ended = []

    def put():
        with pytest.raises(ValueError, match="closed"):
            queue.put(2)
        ended.append("put")

    thread = threading.Thread(target=put)
    thread.start()
    thread.join(0.05)
    queue.close()
    thread.join()
    assert ended == ["put"]


def test_a_closed_queue_refuses(arena):
    queue = arena.queue()
    assert not queue.closed
    queue.close()
    queue.close()
    assert queue.closed
    assert repr(queue).endswith("closed>")
    for use in (
        queue.get,
        queue.empty,
        queue.full,
        queue.qsize,
        queue.join,
        queue.task_done,
        queue.unlink,
        queue.__enter__,
        queue.__reduce__,
        lambda: queue.put(1),
        lambda: queue.get_many(1),
        lambda: queue.put_many([1]),
    ):
        with pytest.raises(ValueError, match="this queue was closed"):
            use()
    assert list(queue) == []


def test_the_arena_may_be_closed_behind_it(arena, queue):
    queue.put(np.arange(3))
    arena.close()
    # As buffers do, a queue stays.
    queue.put(1)
    with pytest.raises(ArenaClosed):
        queue.put("x" * 10_000)
    assert queue.get().tolist() == [0, 1, 2]
    assert queue.get() == 1
    with pytest.raises(Empty):
        queue.get(timeout=0)
