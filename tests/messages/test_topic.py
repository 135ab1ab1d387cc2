"""Topics: each subscription gets each message, or counts it as missed; the dead delay nobody."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
from contextlib import suppress
from queue import Empty, Full

import numpy as np
import pytest

from pagebuddy import (
    Arena,
    ArenaClosed,
    ArenaTopic,
    CorruptMetadata,
    OutOfPages,
    OutOfSlots,
    ShutDown,
)
from pagebuddy.sharing.words import R_TAIL
from tests.exchange import strikes
from tests.exchange.strikes import PACKAGE, account, steps


@pytest.fixture
def arena(Arena):
    return Arena("8 MiB")


@pytest.fixture
def topic(arena):
    return arena.topic("frames")


def drained(subscription):
    """Return all messages that are there."""
    got = []
    with suppress(Empty, ShutDown):
        while True:
            got.append(subscription.get(block=False))
    return got


class Poisonous:
    """Raises when it is unpickled, after an array was."""

    def __init__(self, error=RuntimeError):
        self.error = error

    def __reduce__(self):
        return refuse_after, (np.arange(1000), self.error)


def refuse_after(array, error):
    del array
    raise error("cannot be unpickled")


# -- publish and get ---------------------------------------------------------------------------------


def test_each_subscription_gets_each_message_in_order(topic):
    subscriptions = [topic.subscribe() for _ in range(3)]
    for sent in (1, "two", [3], None):
        topic.publish(sent)
    for subscription in subscriptions:
        assert drained(subscription) == [1, "two", [3], None]
        assert subscription.missed == 0


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


def ready(subscription):
    """How many messages a subscription has still to read."""
    channel = subscription._channel
    tail, head = channel.range_of_numbers()
    return head - max(tail, channel.next_number(subscription._place))


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


# -- exceptions at any step --------------------------------------------------------------------------


@pytest.fixture(params=["line", "opcode"])
def opcodes(request):
    return request.param == "opcode"


def strike(call, at, engine, opcodes):
    """Call a function, and raise at a step; return whether it was reached before the end."""
    files = [f"{PACKAGE}/messages/{name}.py" for name in ("topic", "parcel", "deadline", "opening")]
    return strikes.strike(call, at, engine, opcodes, files)


def things(arena):
    """Messages with tickets and without."""
    return [1, [arena.zeros(3000), np.ones(700), "x" * 5000]]


def test_an_exception_in_publish_publishes_all_or_nothing(
    arena, engine, effort, opcodes, collected
):
    topic = arena.topic("frames", history=2)
    frames = topic.subscribe()
    nothing = account(arena)
    for n, thing in enumerate(things(arena)):
        nothing = account(arena)
        for at in steps(effort, opcodes):
            reached = strike(lambda thing=thing: topic.publish(thing), at, engine, opcodes)
            assert len(drained(frames)) <= 1
            topic.publish(n)
            topic.publish(n)
            assert drained(frames) == [n, n]
            assert account(arena) == nothing, at
            if not reached:
                break
    assert frames.missed == 0


def test_an_exception_in_get_loses_no_message(arena, engine, effort, opcodes, collected):
    topic = arena.topic("frames", history=4)
    frames = topic.subscribe()
    sent = things(arena)
    nothing = account(arena)
    for thing in sent:
        for at in steps(effort, opcodes):
            topic.publish(thing)
            got = []
            # What `get` returned is appended, or the message is still there.
            reached = strike(lambda got=got: append_next(got, frames), at, engine, opcodes)
            assert len(got) + ready(frames) == 1, at
            drained(frames)
            got.clear()
            for _ in range(4):
                topic.publish(0)
            drained(frames)
            assert account(arena) == nothing, at
            if not reached:
                break
    assert frames.missed == 0


def append_next(got, frames):
    got.append(frames.get())


def test_an_exception_in_subscribe_leaves_no_subscription(
    arena, engine, effort, opcodes, collected
):
    topic = arena.topic("frames", history=1, policy="block")
    for at in steps(effort, opcodes):
        reached = strike(topic.subscribe, at, engine, opcodes)
        gc.collect()
        topic.publish(1, timeout=0)
        topic.publish(2, timeout=0)
        if not reached:
            break


# -- other processes ---------------------------------------------------------------------------------


def test_subscribers_in_other_processes_get_all_or_count_it(arena, begin, effort, used):
    topic, said = arena.topic("frames", history=8), arena.queue()
    before = used(arena)
    n, n_children = effort.pick(200, 3000), 3

    def part(child):
        with topic.subscribe() as frames:
            said.put("ready")
            last, count = -1, 0
            for number, array in frames:
                if number is None:
                    break
                assert number > last
                assert (array == number).all()
                assert not array.flags.writeable
                last, count = number, count + 1
            said.put((count, frames.missed))

    children = [begin(part) for _ in range(n_children)]
    assert [said.get(timeout=60) for _ in children] == ["ready"] * n_children
    for number in range(n):
        topic.publish((number, np.full(1 + number * 37 % 3000, number)))
    topic.publish((None, None))
    for _ in children:
        count, missed = said.get(timeout=60)
        assert count + missed == n
    assert [child.wait() for child in children] == [0] * n_children
    for _ in range(8):
        topic.publish(0)
    arena.reap()
    assert used(arena) == before


def test_a_forked_child_subscribes_by_itself(topic, begin):
    frames = topic.subscribe()
    topic.publish(1)

    def part(child):
        for use in (frames.get, lambda: next(frames), lambda: frames.missed, frames.__enter__):
            with pytest.raises(ValueError, match=r"another process; call topic\.subscribe"):
                use()
        frames.close()
        with topic.subscribe(replay=1) as own:
            child.say(own.get())

    child = begin(part)
    assert child.hear() == "1"
    assert child.wait() == 0
    # The child ended nothing.
    topic.publish(2)
    assert drained(frames) == [1, 2]


def test_a_fork_while_another_thread_reads(topic, begin):
    frames = topic.subscribe()
    got = []
    thread = threading.Thread(target=lambda: got.append(frames.get()))
    thread.start()

    def part(child):
        frames.close()
        topic.publish("from the child")

    assert begin(part).wait() == 0
    thread.join()
    assert got == ["from the child"]


def subscriber(topic):
    """Return a part that subscribes, says so, and reads no message until it is told to."""

    def part(child):
        frames = topic.subscribe()
        child.say("subscribed")
        child.hear()
        child.say(frames.get())
        child.hear()

    return part


def test_a_killed_subscriber_blocks_nobody(arena, begin):
    topic = arena.topic("frames", history=1, policy="block")
    child = begin(subscriber(topic))
    assert child.hear() == "subscribed"
    topic.publish(1)
    with pytest.raises(Full):
        topic.publish(2, timeout=0)
    child.kill()
    topic.publish(2, timeout=60)
    topic.publish(3, timeout=0)


def test_a_publisher_that_waits_for_a_subscriber_goes_on_when_that_is_killed(arena, begin):
    topic = arena.topic("frames", history=1, policy="block")
    child = begin(subscriber(topic))
    assert child.hear() == "subscribed"
    topic.publish(1)
    thread = threading.Thread(target=topic.publish, args=(2,))
    thread.start()
    thread.join(0.05)
    child.kill()
    thread.join()
    assert drained(topic.subscribe(replay=1)) == [2]


def test_a_stopped_subscriber_blocks_until_the_time_is_over(arena, begin):
    topic = arena.topic("frames", history=1, policy="block")
    child = begin(subscriber(topic))
    assert child.hear() == "subscribed"
    os.kill(child.pid, signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)
    topic.publish(1)
    with pytest.raises(Full, match="some subscriber did not read"):
        topic.publish(2, timeout=0.15)
    os.kill(child.pid, signal.SIGCONT)
    child.say("read")
    assert child.hear() == "1"
    topic.publish(2, timeout=60)


@pytest.mark.parametrize("wait", [{"block": False}, {"timeout": 60}])
def test_what_a_killed_publisher_was_evicting_is_missed(arena, begin, wait):
    """Also by a reader who never waits, though nothing else comes."""
    topic = arena.topic("frames", history=4)
    frames = topic.subscribe()

    def part(child):
        topic.publish(arena.zeros(10))
        topic.publish("after")
        # It has the first message in hand, as a publisher who evicts it.
        message = topic._channel.take()
        assert message
        os.kill(os.getpid(), signal.SIGKILL)

    assert begin(part).wait() == -signal.SIGKILL
    assert frames.get(**wait) == "after"
    assert frames.missed == 1
    arena.reap()
    assert sum(row.tickets for row in arena.buffers()) == 0


def test_what_a_killed_publisher_was_evicting_makes_room(arena, begin):
    topic = arena.topic("frames", history=1, policy="block")

    def part(child):
        topic.publish(arena.zeros(10))
        message = topic._channel.take()
        assert message
        os.kill(os.getpid(), signal.SIGKILL)

    assert begin(part).wait() == -signal.SIGKILL
    topic.publish("after", timeout=0)
    assert drained(topic.subscribe(replay=1)) == ["after"]


def test_a_publisher_that_is_killed_while_it_pickles_leaves_nothing(arena, topic, begin, used):
    before = used(arena)
    frames = topic.subscribe()

    def part(child):
        topic.publish([np.zeros(3000), Deadly()])

    assert begin(part).wait() == -signal.SIGKILL
    arena.reap()
    assert drained(frames) == []
    assert used(arena) == before


class Deadly:
    """Kills who pickles it."""

    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("policy", ["drop", "block"])
def test_killed_processes_leave_the_others_working(run, start, policy, effort):
    if start != "fork" and policy == "drop" and effort.level == "everyday":
        pytest.skip("every day, one of them is started afresh")
    run("killed_at_a_topic", start, policy, str(effort.pick(4, 40)))


# -- damage ------------------------------------------------------------------------------------------


def test_a_flipped_bit_is_survived_or_found(arena, effort):
    """Whatever bit of a topic's ring is flipped, it works on or raises CorruptMetadata."""
    for n, bit in enumerate(range(effort.seed % 97, 64 * 8 * 100, effort.pick(3001, 97))):
        topic = arena.topic(f"frames{n}", history=2)
        with topic.subscribe() as frames:
            topic.publish([arena.zeros(10), 1])
            topic.publish(2)
            words = arena._open.found(topic.name, 3).view.cast("Q")
            words[R_TAIL + bit // 64] ^= 1 << bit % 64
            with suppress(CorruptMetadata, Empty, Full):
                frames.get(block=False)
                frames.get(block=False)
                topic.publish(3, timeout=0)
                frames.get(block=False)
            words[R_TAIL + bit // 64] ^= 1 << bit % 64
            del words
            with suppress(CorruptMetadata):
                frames.close()
        with suppress(CorruptMetadata):
            topic.unlink()
        arena.verify()
