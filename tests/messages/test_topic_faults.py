"""Topics: exceptions at any step, killed processes and flipped bits lose nothing uncounted."""

from __future__ import annotations

import gc
import os
import signal
import threading
from contextlib import suppress
from queue import Empty, Full

import numpy as np
import pytest

from pagebuddy import (
    CorruptMetadata,
)
from pagebuddy.sharing.words import R_TAIL
from tests.exchange import strikes
from tests.exchange.strikes import PACKAGE, account, steps
from tests.messages.topics import drained, ready


@pytest.fixture
def arena(Arena):
    return Arena("8 MiB")


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


def test_an_exception_in_publish_publishes_all_or_nothing(arena, engine, effort, opcodes):
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


def test_an_exception_in_get_loses_no_message(arena, engine, effort, opcodes):
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


def test_an_exception_in_subscribe_leaves_no_subscription(arena, engine, effort, opcodes):
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
