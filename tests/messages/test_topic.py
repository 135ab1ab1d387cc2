"""Topics: each subscription gets each message, or counts it as missed."""

from __future__ import annotations

import pickle
import threading
from queue import Full

import numpy as np
import pytest

from pagebuddy import (
    OutOfPages,
    OutOfSlots,
)
from pagebuddy.messages.waiting import RingFutexes
from pagebuddy.sharing.words import R_PUTS
from tests.messages.poison import Poisonous
from tests.messages.topics import drained, ready


@pytest.fixture
def arena(Arena):
    return Arena("8 MiB")


# -- publish and get ---------------------------------------------------------------------------------


def test_each_subscription_gets_each_message_in_order(topic):
    subscriptions = [topic.subscribe() for _ in range(3)]
    for sent in (1, "two", [3], None):
        topic.publish(sent)
    for subscription in subscriptions:
        assert drained(subscription) == [1, "two", [3], None]
        assert subscription.missed == 0


def test_who_finds_a_message_by_spinning_announces_no_sleep(topic, engine, monkeypatch):
    """Otherwise the next publication makes a system call for nobody."""
    if engine == "compiled":
        pytest.skip("a compiled method cannot be replaced")

    def spin(_channel, _number=0):
        topic.publish("hello")
        return True

    with topic.subscribe() as messages:
        monkeypatch.setattr(RingFutexes, "spin", spin)
        assert messages.get() == "hello"
        assert topic._channel.ring.words[R_PUTS + 1] == 0


@pytest.mark.parametrize("n", [0, 1, 500, 5000, 100_000])
def test_messages_of_any_length(arena, used, n):
    before = used(arena)
    topic = arena.topic("frames")
    with topic.subscribe() as first, topic.subscribe() as second:
        topic.publish({"array": np.arange(n), "bytes": bytes(n), "text": "x" * n})
        for subscription in (first, second):
            got = subscription.get(timeout=0)
            assert got["array"].tolist() == list(range(n))
            assert (got["bytes"], got["text"]) == (bytes(n), "x" * n)
    topic.unlink()
    del got, topic, subscription, first, second
    assert used(arena) == before


def test_subscribers_share_the_bytes_and_may_not_write_to_them(arena, topic, used):
    frames = [topic.subscribe() for _ in range(3)]
    sent = arena.zeros(100_000)
    before = used(arena)[0]
    topic.publish(sent)
    got = [subscription.get() for subscription in frames]
    assert used(arena)[0] == before
    sent[7] = 7
    assert [array[7] for array in got] == [7, 7, 7]
    for array in got:
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[7] = 8


def test_a_subscriber_may_ask_for_writable_arrays(arena, topic):
    readers, writer = topic.subscribe(), topic.subscribe(writable=True)
    topic.publish([np.zeros(3000), arena.alloc(10, zero=True)])
    array, buffer = writer.get()
    array[0], buffer.view[0] = 5, 6
    seen, its_buffer = readers.get()
    assert (seen[0], its_buffer.view[0]) == (5, 6)


def test_who_subscribes_later_gets_what_is_published_later(topic):
    topic.publish("before")
    with topic.subscribe() as frames:
        topic.publish("after")
        assert drained(frames) == ["after"]
        assert frames.missed == 0


@pytest.mark.parametrize(("n", "replayed"), [(0, []), (1, [4]), (3, [2, 3, 4]), (9, [1, 2, 3, 4])])
def test_replay_begins_with_the_last_messages(arena, n, replayed):
    topic = arena.topic("frames", history=4)
    for number in range(5):
        topic.publish(number)
    frames = topic.subscribe(replay=n)
    topic.publish("new")
    # With history 4, the first of four that are replayed had to go.
    assert drained(frames) == [*replayed, "new"][-4:]
    assert frames.missed == max(0, len(replayed) + 1 - 4)


def test_a_topic_without_subscribers_keeps_its_history(arena, used):
    topic = arena.topic("frames", history=3)
    before = used(arena)
    for number in range(20):
        topic.publish(np.full(5000, number))
    pages, tickets = used(arena)
    assert tickets == 3
    assert pages - before[0] == 3 * 10
    assert [array[0] for array in drained(topic.subscribe(replay=10))] == [17, 18, 19]


# -- missed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [int, lambda n: np.full(2000, n)], ids=["short", "arrays"])
def test_missed_counts_what_a_slow_subscriber_lost(arena, make, effort):
    topic = arena.topic("frames", history=5)
    frames = topic.subscribe()
    rng = np.random.default_rng(effort.seed)
    published = received = 0
    last = -1
    for _ in range(effort.pick(60, 1000)):
        for _ in range(rng.integers(0, 9)):
            topic.publish(make(published))
            published += 1
        for got in [frames.get(block=False) for _ in range(min(rng.integers(0, 7), ready(frames)))]:
            number = int(np.ravel(got)[0])
            assert number > last
            last = number
            received += 1
        assert published == received + ready(frames) + frames.missed
    received += len(drained(frames))
    assert received + frames.missed == published


def test_missed_counts_are_of_each_subscription(arena):
    topic = arena.topic("frames", history=2)
    fast, slow = topic.subscribe(), topic.subscribe()
    for number in range(10):
        topic.publish(number)
        assert fast.get() == number
    assert (fast.missed, slow.missed) == (0, 8)
    assert drained(slow) == [8, 9]
    assert (fast.missed, slow.missed) == (0, 8)


def test_a_message_that_is_evicted_while_it_is_unpickled_is_received(arena):
    topic = arena.topic("frames", history=2)
    frames = topic.subscribe()
    Publishing.topic = topic
    topic.publish(Publishing())
    assert frames.get() == "received"
    # Of the five that were published meanwhile, two are there.
    assert (drained(frames), frames.missed) == ([3, 4], 3)


class Publishing:
    """Publishes when it is unpickled."""

    topic = None

    def __reduce__(self):
        return publish_five, ()


def publish_five():
    for number in range(5):
        Publishing.topic.publish(number)
    return "received"


def test_a_message_that_cannot_be_unpickled_is_passed(arena, topic, used):
    frames, others = topic.subscribe(), topic.subscribe()
    topic.publish(Poisonous())
    topic.publish(Poisonous(MemoryError))
    topic.publish("next")
    for subscription in (frames, others):
        with pytest.raises(RuntimeError, match="cannot be unpickled"):
            subscription.get()
        with pytest.raises(MemoryError, match="cannot be unpickled"):
            next(subscription)
        assert subscription.get() == "next"
        assert subscription.missed == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_message_whose_unpickling_was_interrupted_comes_again(topic, error):
    frames = topic.subscribe()
    topic.publish(Poisonous(error))
    for _ in range(2):
        with pytest.raises(error):
            frames.get()
    assert ready(frames) == 1


class Reading:
    """Reads the subscription when it is unpickled."""

    how = None

    def __reduce__(self):
        return read_again, ()


def read_again():
    return Reading.how()


def test_what_unpickles_a_message_cannot_read_the_subscription(topic):
    frames = topic.subscribe()
    Reading.how = frames.get
    topic.publish(Reading())
    topic.publish("next")
    with pytest.raises(RuntimeError, match="this thread already reads this subscription"):
        frames.get()
    assert frames.get() == "next"


def test_what_unpickles_a_message_may_close_the_subscription(topic):
    frames = topic.subscribe()
    Reading.how = frames.close
    topic.publish(Reading())
    assert frames.get() is None
    assert frames.closed
    again = topic.subscribe()
    topic.publish(1)
    assert drained(again) == [1]


# -- policy ------------------------------------------------------------------------------------------


def test_a_publisher_waits_for_slow_subscribers_if_it_should(arena):
    topic = arena.topic("frames", history=3, policy="block")
    slow = topic.subscribe()
    for number in range(3):
        topic.publish(np.full(2000, number))
    for timeout in (0, 0.01):
        with pytest.raises(
            Full, match=f"has 3 messages, and some .* within {timeout} seconds; wait"
        ):
            topic.publish(3, timeout=timeout)
    assert slow.get()[0] == 0
    topic.publish(3, timeout=0)
    with pytest.raises(Full):
        topic.publish(4, timeout=0)
    thread = threading.Thread(target=topic.publish, args=(4,), daemon=True)
    thread.start()
    assert slow.get()[0] == 1
    thread.join()
    assert [np.ravel(x)[0] for x in drained(slow)] == [2, 3, 4]
    assert slow.missed == 0


def test_a_publisher_that_waits_goes_on_when_the_slow_one_leaves(arena):
    topic = arena.topic("frames", history=1, policy="block")
    slow = topic.subscribe()
    topic.publish(1)
    thread = threading.Thread(target=topic.publish, args=(2,))
    thread.start()
    thread.join(0.05)
    slow.close()
    thread.join()
    assert drained(topic.subscribe(replay=1)) == [2]


def test_a_topic_that_nobody_reads_blocks_nobody(arena):
    topic = arena.topic("frames", history=2, policy="block")
    for number in range(10):
        topic.publish(number, timeout=0)
    assert drained(topic.subscribe(replay=2)) == [8, 9]


def test_a_refused_publication_leaves_nothing(arena, used):
    topic = arena.topic("frames", history=1, policy="block")
    frames = topic.subscribe()
    topic.publish(np.zeros(10_000))
    before = used(arena)
    for thing in (np.zeros(10_000), [arena.zeros(9), "x" * 5000], 1):
        with pytest.raises(Full):
            topic.publish(thing, timeout=0)
    with pytest.raises((OutOfPages, ValueError)):
        topic.publish(np.zeros(10_000_000))
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        topic.publish([np.zeros(1000), lambda: 0])
    assert used(arena) == before
    assert len(drained(frames)) == 1


# -- names and arguments -----------------------------------------------------------------------------


def test_a_topic_is_found_by_its_name(arena):
    first, second = arena.topic("frames", history=3, policy="block"), arena.topic("frames")
    assert (second.history, second.policy, second.name) == (3, "block", "frames")
    frames = second.subscribe()
    first.publish(np.arange(3))
    assert frames.get().tolist() == [0, 1, 2]


def test_history_and_policy_are_those_of_the_first(arena):
    assert (arena.topic("other").history, arena.topic("other").policy) == (8, "drop")
    arena.topic("frames", history=3, policy="block")
    with pytest.raises(ValueError, match=r"history is 4, but the topic 'frames' was made with 3;"):
        arena.topic("frames", history=4)
    with pytest.raises(
        ValueError, match=r"policy is 'drop', but the topic 'frames' was made with 'bl"
    ):
        arena.topic("frames", policy="drop")
    assert arena.topic("frames", history=3, policy="block").history == 3


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"history": 0}, ValueError),
        ({"history": -1}, ValueError),
        ({"history": 10**30}, ValueError),
        ({"history": "3"}, TypeError),
        ({"history": 1.5}, TypeError),
        ({"policy": "lose"}, ValueError),
        ({"policy": 5}, ValueError),
    ],
)
def test_what_a_topic_cannot_have_is_refused(arena, used, how, error):
    with pytest.raises(error, match=next(iter(how))):
        arena.topic("frames", **how)
    assert used(arena) == (0, 0)


@pytest.mark.parametrize("name", ["", "x" * 48, "ä", 5, None])
def test_what_cannot_be_a_name_is_refused(arena, used, name):
    with pytest.raises((ValueError, TypeError)):
        arena.topic(name)
    assert used(arena) == (0, 0)


def test_a_topic_larger_than_the_arena_is_refused(arena, used):
    with pytest.raises((OutOfPages, ValueError)):
        arena.topic("frames", history=1 << 20)
    assert used(arena) == (0, 0)


@pytest.mark.parametrize(
    ("replay", "error"), [(-1, ValueError), ("1", TypeError), (1.5, TypeError)]
)
def test_what_cannot_be_replayed_is_refused(topic, replay, error):
    with pytest.raises(error, match="replay"):
        topic.subscribe(replay=replay)


@pytest.mark.parametrize(("timeout", "error"), [("5", TypeError), (-1, ValueError)])
def test_timeouts_are_checked(topic, timeout, error):
    frames = topic.subscribe()
    with pytest.raises(error, match="timeout"):
        frames.get(timeout=timeout)
    with pytest.raises(error, match="timeout"):
        topic.publish(1, timeout=timeout)
    assert drained(frames) == []


def test_topics_queues_objects_and_keys_do_not_share_names(arena):
    arena.alloc(1).keep("name")
    arena.objects["name"] = 5
    queue, topic = arena.queue("name"), arena.topic("name")
    queue.put(6)
    with topic.subscribe() as frames:
        topic.publish(7)
        assert frames.get() == 7
    assert queue.get() == 6
    assert topic.unlink()
    assert arena.objects["name"] == 5
    assert len(arena["name"]) == 1
    assert queue.unlink()


def test_a_topic_has_room_for_so_many_subscriptions(arena, topic):
    subscriptions = []
    with pytest.raises(OutOfSlots, match=r"the topic 'frames' has \d+ subscriptions of living"):  # noqa: PT012
        while True:
            subscriptions.append(topic.subscribe())
    assert len(subscriptions) >= 64
    topic.publish(1)
    subscriptions.pop().close()
    subscriptions.append(topic.subscribe())
    assert [len(drained(each)) for each in subscriptions] == [1] * (len(subscriptions) - 1) + [0]
