"""A process is killed anywhere in put, get and all else: nothing is lost but what it had in hand.

Uncompiled, it is killed before a line of the engine: each store has its own. Compiled, it runs one
machine instruction at a time, and is killed after a change of the ring or of the tickets. The survivor
repairs the ring, ends what the dead one owned, and finds no page and no ticket more than before.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from functools import partial
from queue import Empty

import numpy as np
import pytest

import pagebuddy
from pagebuddy import ShutDown
from pagebuddy.sharing.words import TICKET_WORDS
from verification.stepping import kill_after_changes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ptrace is Linux's")

ROOT = os.path.dirname(pagebuddy.__file__)
LINES = tuple(
    os.path.join(ROOT, *path.split("/"))
    for path in ("messages/", "sharing/holding/tickets.py", "sharing/joining/keeping.py")
)


@pytest.fixture(params=["mutex", "file"])
def lock(request, engine):
    """The lock of an arena."""
    if (engine, request.param) == ("uncompiled", "mutex"):
        pytest.skip("the uncompiled engine has no mutex")
    return request.param


@pytest.fixture
def arena(Arena, lock):
    return Arena("4 MiB", lock=lock)


def deaths(arena, queue, engine, effort, act):
    """Kill one process after the other in `act`, at a later point each; yield after each."""
    stride = effort.pick(71, 1) if engine == "uncompiled" else effort.pick(199, 1)
    at = effort.seed % stride + 1
    while True:
        if engine == "uncompiled":
            done = not killed_before_line(act, at)
        else:
            done = not kill_after_changes(watched(arena, queue()), act, at)
        yield at
        if done:
            return
        at += stride


def watched(arena, queue):
    """The words of a queue's ring, and those of the first tickets."""
    a = arena._open
    start = a.layout.tickets_at
    ring = [] if queue is None else [queue._channel.buffer().view]
    return [*ring, a.memory[start : start + 4 * TICKET_WORDS]]


def killed_before_line(act, at):
    """Run `act` in a forked process, and kill it before a line; return whether it came so far."""
    left = at

    def call(frame, event, arg):
        return line if frame.f_code.co_filename.startswith(LINES) else None

    def line(frame, event, arg):
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return line

    pid = os.fork()
    if pid == 0:
        try:
            sys.settrace(call)
            act()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        finally:
            sys.settrace(None)
            os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


def thing_of(arena, kind, number):
    """A message of its kind: short, or with two buffers."""
    return number if kind == "short" else [number, arena.full(9, number), np.full(200, number)]


def number_of(thing):
    """Return the number of a message; check that it is whole."""
    if isinstance(thing, int):
        return thing
    number, *arrays = thing
    assert all((array == number).all() for array in arrays)
    return number


def rest_of(queue):
    """Take all out of a queue; return the numbers."""
    numbers = []
    with suppress(Empty, ShutDown):
        while True:
            numbers.append(number_of(queue.get_nowait()))
    return numbers


@pytest.fixture(params=["short", "array"])
def kind(request):
    return request.param


def test_death_in_put_leaves_all_or_nothing(arena, engine, effort, used, kind):
    queue = arena.queue("frames", maxsize=4, nbytes=4096)
    thing = thing_of(arena, kind, 1)
    before = used(arena)
    for at in deaths(arena, lambda: queue, engine, effort, lambda: queue.put(thing)):
        queue.put(thing_of(arena, kind, 2))
        assert rest_of(queue) in ([1, 2], [2]), at
        arena.reap()
        assert used(arena) == before, at
        assert queue.qsize() == queue._channel.n_pending() == 0
    arena.verify()


@pytest.mark.parametrize("how", ["get", pytest.param("get_many", marks=pytest.mark.soak)])
def test_death_in_get_takes_what_was_in_hand(arena, engine, effort, used, kind, how):
    queue = arena.queue("frames", maxsize=4, nbytes=4096)
    before = used(arena)
    get = queue.get if how == "get" else lambda: queue.get_many(2)
    queue.put_many(thing_of(arena, kind, number) for number in (1, 2, 3))
    for at in deaths(arena, lambda: queue, engine, effort, get):
        queue.put(thing_of(arena, kind, 4))
        got = rest_of(queue)
        assert got in [[1, 2, 3, 4], [2, 3, 4], [3, 4]][: 2 + (how == "get_many")], at
        arena.reap()
        assert used(arena) == before, at
        for _ in got:
            queue.task_done()
        # What the dead one had counts as done.
        queue.join(timeout=0)
        queue.put_many(thing_of(arena, kind, number) for number in (1, 2, 3))
    arena.verify()


def test_death_in_giving_back_loses_at_most_that_message(arena, engine, effort, used, kind):
    queue = arena.queue("frames", maxsize=4, nbytes=4096)
    before = used(arena)

    def act():
        queue._channel.settle(queue._channel.take())

    queue.put_many(thing_of(arena, kind, number) for number in (1, 2))
    for at in deaths(arena, lambda: queue, engine, effort, act):
        assert rest_of(queue) in ([1, 2], [2]), at
        arena.reap()
        assert used(arena) == before, at
        queue.put_many(thing_of(arena, kind, number) for number in (1, 2))


def test_death_in_unlink_leaves_a_name_that_can_be_used(arena, engine, effort, used, kind):
    nothing = used(arena)
    queue = arena.queue("frames", maxsize=4, nbytes=4096)
    queue.put(thing_of(arena, kind, 1))
    for at in deaths(arena, lambda: queue, engine, effort, lambda: queue.unlink()):  # noqa: B023
        with suppress(ShutDown):
            queue.put(thing_of(arena, kind, 2))
        assert rest_of(queue) in ([1, 2], [1]), at
        again = arena.queue("frames", maxsize=4, nbytes=4096)
        again.put(thing_of(arena, kind, 3))
        assert rest_of(again) == [3]
        again.unlink()
        again.close()
        queue.close()
        arena.reap()
        assert used(arena) == nothing, at
        queue = arena.queue("frames", maxsize=4, nbytes=4096)
        queue.put(thing_of(arena, kind, 1))


@pytest.mark.soak
def test_death_in_making_a_queue_leaves_none_or_one(arena, engine, effort, used):
    nothing = used(arena)

    def act():
        arena.queue("frames", maxsize=4, nbytes=4096).put(1)

    for at in deaths(arena, lambda: None, engine, effort, act):
        queue = arena.queue("frames", maxsize=4, nbytes=4096)
        queue.put(2)
        assert rest_of(queue) in ([1, 2], [2])
        queue.unlink()
        queue.close()
        arena.reap()
        assert used(arena) == nothing, at


def test_death_in_ending_what_the_dead_own(arena, engine, effort, used, kind):
    queue = arena.queue("frames", maxsize=4, nbytes=4096)
    before = used(arena)

    def die_with_one():
        pid = os.fork()
        if pid == 0:
            message = queue._channel.take()
            assert message
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)

    queue.put_many(thing_of(arena, kind, number) for number in (1, 2))
    die_with_one()
    end = queue._channel.end_what_the_dead_own
    for at in deaths(arena, lambda: queue, engine, effort, end):
        assert rest_of(queue) == [2], at
        arena.reap()
        assert used(arena) == before, at
        queue.put_many(thing_of(arena, kind, number) for number in (1, 2))
        die_with_one()


TOPIC_ACTS = {
    "publish": lambda topic, thing: topic.publish(thing),
    "read": lambda topic, thing: topic.subscribe(replay=2).get(),
    "subscribe and close": lambda topic, thing: topic.subscribe().close(),
}


@pytest.mark.soak
@pytest.mark.parametrize("policy", ["drop", "block"])
@pytest.mark.parametrize("act", TOPIC_ACTS)
def test_death_at_a_topic_costs_others_nothing(arena, engine, effort, used, kind, act, policy):
    thing = thing_of(arena, kind, 3)
    nothing = used(arena)

    def made():
        """A topic with two messages, and a subscription that has read one of them."""
        topic = arena.topic("frames", history=3, policy=policy)
        messages = topic.subscribe()
        topic.publish(thing_of(arena, kind, 1))
        topic.publish(thing_of(arena, kind, 2))
        assert number_of(messages.get(timeout=0)) == 1
        return topic, messages

    here = [*made()]

    def die():
        TOPIC_ACTS[act](here[0], thing)

    for at in deaths(arena, partial(here.__getitem__, 0), engine, effort, die):
        topic, messages = here
        for number in (4, 5, 6, 7):
            topic.publish(thing_of(arena, kind, number), timeout=60)
            if number < 7:
                assert number_of(messages.get(timeout=60)) in (2, 3, 4, 5, 6), at
        assert messages.missed == 0, at
        messages.close()
        topic.unlink()
        topic.close()
        del topic, messages
        here.clear()
        arena.reap()
        assert used(arena) == nothing, at
        here += made()
