"""Topics: what ends one, or a subscription, beside other threads."""

from __future__ import annotations

import gc
import pickle
import signal
import threading
from queue import Full

import numpy as np
import pytest

from pagebuddy import (
    Arena,
    ArenaClosed,
    ArenaTopic,
    ShutDown,
)
from tests.locked import locked
from tests.messages.topics import drained


@pytest.fixture
def arena(Arena):
    return Arena("8 MiB")


# -- unlink and close --------------------------------------------------------------------------------


def test_unlink_frees_the_name_and_all_that_was_published(arena, used):
    before = used(arena)
    topic, other = arena.topic("frames"), arena.topic("frames")
    frames = topic.subscribe()
    topic.publish(np.zeros(10_000))
    assert topic.unlink()
    assert not topic.unlink()
    assert not other.unlink()
    for publisher in (topic, other):
        with pytest.raises(ShutDown, match="the topic 'frames' was unlinked; make it again"):
            publisher.publish(1)
    assert len(list(frames)) == 1
    with pytest.raises(ShutDown, match="the topic 'frames' was unlinked"):
        frames.get()
    again = arena.topic("frames", history=2)
    again.publish(1)
    again.unlink()
    del topic, other, publisher, frames, again
    assert used(arena) == before


def test_unlink_wakes_who_waits(arena):
    topic = arena.topic("frames", history=1, policy="block")
    frames, slow = topic.subscribe(), topic.subscribe()
    topic.publish(1)
    assert frames.get() == 1
    ended = []

    def publish():
        with pytest.raises(ShutDown):
            topic.publish(2)
        ended.append("publisher")

    def read():
        ended.extend(frames)
        ended.append("reader")

    threads = [threading.Thread(target=part) for part in (publish, read)]
    for thread in threads:
        thread.start()
    threads[0].join(0.05)
    topic.unlink()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["publisher", "reader"]
    assert drained(slow) == [1]


def test_close_ends_what_another_thread_reads(topic):
    frames = topic.subscribe()
    got = []
    thread = threading.Thread(target=lambda: got.append(list(frames)))
    thread.start()
    topic.publish(1)
    thread.join(0.05)
    frames.close()
    thread.join()
    assert got in ([[1]], [[]])
    assert list(frames) == []


def test_a_subscription_that_ends_while_the_lock_is_taken_ends_later(Arena, name):
    """Its place is kept until the next change of the topic."""
    arena = Arena.create(name, "4 MiB", lock="file")
    topic = arena.topic("frames", history=1, policy="block")
    frames = topic.subscribe()
    topic.publish(1)
    with pytest.raises(Full):
        topic.publish(2, timeout=0)
    with locked(name):
        frames.close()
    # A publisher would wait for it.
    topic.publish(2, timeout=0)


def test_what_is_closed_refuses(arena, topic):
    frames = topic.subscribe()
    for _ in range(2):
        frames.close()
        assert frames.closed
        assert repr(frames) == "<Subscription to 'frames', closed>"
        for use in (frames.get, frames.__enter__, lambda: frames.missed):
            with pytest.raises(ValueError, match="this subscription was closed"):
                use()
    others = topic.subscribe()
    for _ in range(2):
        topic.close()
        assert topic.closed
        assert repr(topic) == f"<ArenaTopic 'frames' of {arena!r}, closed>"
        for use in (
            topic.subscribe,
            topic.unlink,
            topic.__enter__,
            topic.__reduce__,
            lambda: topic.publish(1),
        ):
            with pytest.raises(ValueError, match="this topic was closed"):
                use()
    with arena.topic("frames") as again:
        again.publish(1)
    assert drained(others) == [1]


def test_the_arena_may_be_closed_behind_it(arena, topic, recwarn):
    frames = topic.subscribe()
    arena.close()
    with pytest.raises(ArenaClosed):
        topic.publish(1)
    with pytest.raises(ArenaClosed):
        frames.get(timeout=0)
    frames.close()
    del frames
    gc.collect()
    assert not recwarn.list


def test_a_subscription_cannot_be_pickled_and_a_topic_can(name):
    topic = Arena.open(name, "4 MiB").topic("frames")
    frames = topic.subscribe()
    with pytest.raises(TypeError, match="belongs to its process; pickle the topic"):
        pickle.dumps(frames)
    same = pickle.loads(pickle.dumps(topic))
    assert type(same) is ArenaTopic
    same.publish(1)
    assert frames.get() == 1


# -- threads -----------------------------------------------------------------------------------------


def test_two_threads_of_one_subscription_get_each_message_once(arena, effort):
    topic = arena.topic("frames", history=5, policy="block")
    frames = topic.subscribe()
    n = effort.pick(200, 3000)
    got = [[], []]

    def read(into):
        into.extend(frames)

    threads = [threading.Thread(target=read, args=(into,)) for into in got]
    for thread in threads:
        thread.start()
    for number in range(n):
        topic.publish(number)
    topic.unlink()
    for thread in threads:
        thread.join()
    assert sorted(got[0] + got[1]) == list(range(n))
    assert all(part == sorted(part) for part in got)


def test_a_reader_is_interrupted_by_a_signal(topic):
    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    frames = topic.subscribe()
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(Interrupted):  # noqa: PT012
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            frames.get()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    topic.publish(1)
    assert frames.get() == 1
