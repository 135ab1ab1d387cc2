"""What can go wrong with queues: each error leaves the queue and the arena as they were."""

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
    OutOfPages,
    OutOfSlots,
    OutOfTickets,
    ShutDown,
)
from tests.messages.poison import Poisonous


class Unpicklable:
    """Raises when it is pickled, after an array was."""

    def __reduce__(self):
        raise RuntimeError("cannot be pickled")


# -- messages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"timeout": 60}, {"block": False}])
def test_a_message_larger_than_the_arena_is_refused_at_once(arena, used, how):
    queue = arena.queue()
    before = used(arena)
    for thing in (bytes(5 << 20), np.zeros(5 << 20, "u1")):
        with pytest.raises(OutOfPages):
            queue.put(thing, **how)
    with pytest.raises(OutOfPages):
        queue.put([np.zeros(3 << 20, "u1"), np.zeros(3 << 20, "u1")], block=False)
    assert used(arena) == before
    assert queue.empty()


def test_a_message_of_more_buffers_than_the_queue_has_room_for_is_refused(arena, used):
    queue = arena.queue(nbytes=4096)
    before = used(arena)
    with pytest.raises(ValueError, match=r"the message has 301 buffers, .*has room for 4096; send"):
        queue.put([arena.alloc(1) for _ in range(300)])
    assert used(arena) == before
    queue.put([arena.alloc(1) for _ in range(200)])
    assert len(queue.get()) == 200
    assert used(arena) == before


def test_what_cannot_be_pickled_is_refused(arena, used):
    queue = arena.queue()
    before = used(arena)
    for thing in ([np.zeros(1000), Unpicklable()], [arena.zeros(9), lambda: 0], threading.Lock()):
        with pytest.raises((RuntimeError, TypeError, AttributeError, pickle.PicklingError)):
            queue.put(thing)
    assert used(arena) == before
    assert queue.empty()


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, ValueError])
def test_a_message_that_cannot_be_unpickled_is_gone_and_the_next_one_comes(arena, used, error):
    queue = arena.queue()
    before = used(arena)
    queue.put_many([Poisonous(error), [Poisonous(error), "x" * 10_000], "next"])
    for _ in range(2):
        with pytest.raises(error, match="cannot be unpickled"):
            queue.get()
    assert queue.get() == "next"
    assert used(arena) == before
    assert queue.empty()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_message_whose_unpickling_was_interrupted_comes_again(arena, used, error):
    queue = arena.queue()
    queue.put(Poisonous(error))
    before = used(arena)
    for get in (queue.get, lambda: queue.get_many(5)):
        with pytest.raises(error):
            get()
        assert queue.qsize() == 1
        assert used(arena) == before


def test_get_many_returns_what_lies_before_a_message_that_cannot_be_unpickled(arena, used):
    queue = arena.queue()
    before = used(arena)
    queue.put_many([1, np.ones(1000), Poisonous(), "next"])
    got = queue.get_many(10)
    assert (got[0], got[1].sum(), len(got)) == (1, 1000, 2)
    with pytest.raises(RuntimeError, match="cannot be unpickled"):
        queue.get_many(10)
    assert queue.get_many(10) == ["next"]
    del got
    assert used(arena) == before


def test_get_many_that_is_interrupted_leaves_all_messages(arena, used):
    queue = arena.queue()
    queue.put_many([1, np.ones(1000), Poisonous(KeyboardInterrupt), "next"])
    before = used(arena)
    with pytest.raises(KeyboardInterrupt):
        queue.get_many(10)
    assert queue.qsize() == 4
    assert used(arena) == before
    assert queue.get() == 1


def test_a_message_may_use_the_queue_when_it_is_pickled_and_unpickled(arena):
    queue = arena.queue()
    Meddling.queue = queue
    queue.put(Meddling())
    assert queue.get() == "while pickled"
    assert queue.get() == "done"
    assert queue.get() == "while unpickled"


class Meddling:
    """Puts messages when it is pickled and unpickled."""

    queue = None

    def __reduce__(self):
        self.queue.put("while pickled")
        return meddle, ()


def meddle():
    Meddling.queue.put("while unpickled")
    return "done"


# -- a full arena ------------------------------------------------------------------------------------


def test_a_full_arena_without_a_timeout_is_an_error(arena, used):
    queue = arena.queue()
    before = fill(arena, queue)
    with pytest.raises(OutOfPages):
        queue.put(np.zeros(100_000))
    with pytest.raises(OutOfPages):
        queue.put(np.zeros(100_000), block=False)
    assert used(arena) == before


def test_put_waits_for_room_in_the_arena_and_then_says_what_holds_it(arena, used):
    queue = arena.queue()
    before = fill(arena, queue)
    n = queue.qsize()
    with pytest.raises(
        OutOfPages, match=f"{n} buffers of messages .*keep {n * 400_000} bytes"
    ) as caught:
        queue.put(np.zeros(100_000), timeout=0.05)
    assert caught.value.in_messages == n
    assert caught.value.in_messages_bytes == n * 400_000
    assert used(arena) == before
    thread = threading.Thread(target=lambda: queue.put(np.zeros(100_000, "f4"), timeout=60))
    thread.start()
    for _ in range(4):
        queue.get()
    thread.join()
    assert queue.qsize() == n - 3


def fill(arena, queue):
    """Put arrays until the arena has no room."""
    with suppress(OutOfPages):
        while True:
            queue.put(np.zeros(100_000, "f4"))
    gc.collect()
    return arena.stats().used, sum(row.tickets for row in arena.buffers())


def test_a_queue_whose_messages_have_all_tickets_is_full(arena, used):
    queue = arena.queue()
    before = used(arena)
    # With the one in which the rest of the message lies.
    sent = [arena.zeros(1) for _ in range(127)]
    assert arena._open.layout.n_tickets == 8 * 128
    queue.put_many([sent] * 8)
    with pytest.raises(Full, match="8 messages, and the arena has no tickets left"):
        queue.put_nowait(sent[0])
    assert queue.put_many([1, sent[0]], timeout=0.01) == 1
    thread = threading.Thread(target=lambda: queue.put(sent[0]))
    thread.start()
    assert len(queue.get_many(3)) == 3
    thread.join()
    assert queue.qsize() == 7
    queue.get_many(10)
    sent.clear()
    assert used(arena) == before


def test_tickets_of_others_are_not_waited_for(arena):
    queue = arena.queue()
    sent = [arena.zeros(1) for _ in range(128)]
    handles = [arena.dumps(sent) for _ in range(8)]
    with pytest.raises(OutOfTickets):
        queue.put(sent[0])
    assert queue.empty()
    del handles


# -- queues of queues, garbage ------------------------------------------------------------------------


def test_a_queue_can_be_sent_through_a_queue(used):
    arena = Arena("4 MiB")
    outer = arena.queue()
    before = used(arena)
    inner = arena.queue()
    inner.put("hello")
    outer.put({"answer to": inner})
    del inner
    got = outer.get()["answer to"]
    assert got.get() == "hello"
    del got
    assert used(arena) == before


def test_a_queue_can_be_sent_through_itself(used):
    arena = Arena("4 MiB")
    queue = arena.queue("frames")
    queue.put(queue)
    assert queue.get().name == "frames"
    anonymous = arena.queue()
    anonymous.put(anonymous)
    same = anonymous.get()
    same.put(1)
    assert anonymous.get() == 1
    anonymous.put(anonymous)
    queue.unlink()
    del anonymous, same, queue
    gc.collect()
    # The handle of the last one is not claimed.
    arena.reap(unclaimed_after=0)
    arena.reap()
    assert used(arena) == (0, 0)


def test_a_queue_in_a_cycle_is_collected(arena, used):
    queue = arena.queue()
    queue.put(np.zeros(10_000))
    queue.myself = [queue, queue._channel]
    del queue
    assert used(arena) == (0, 0)


# -- other processes ---------------------------------------------------------------------------------


def test_get_while_another_process_unlinks_and_makes_the_queue_again(arena, begin, effort):
    rounds = effort.pick(30, 1000)

    def part(child):
        for number in range(rounds):
            queue = arena.queue("frames")
            queue.put(number)
            queue.unlink()
            queue.close()
        child.say("done")

    other = begin(part)
    got = []
    while not got or got[-1] != rounds - 1:
        queue = arena.queue("frames")
        with suppress(ShutDown, Empty):
            got.extend(queue.get_many(10, timeout=0.001))
        if other.status is None and os.waitpid(other.pid, os.WNOHANG)[0]:
            other.status = 0
        if other.status is not None:
            break
    if other.status is None:
        # It may still have the last queue.
        other.status = os.waitpid(other.pid, 0)[1]
    assert got == sorted(set(got))
    with suppress(KeyError):
        arena.queue("frames").unlink()
    del queue
    gc.collect()
    arena.reap()
    arena.verify()
    assert arena.stats().used == arena.stats().tickets == 0


def test_a_process_without_a_slot_is_refused(Arena, name, begin):
    arena = Arena.open(name, "4 MiB", slots=2)
    queue = arena.queue("frames")
    queue.put(1)

    def part(child):
        child.say("attached")
        child.hear()

    holder = begin(part)
    assert holder.hear() == "attached"

    def another(child):
        try:
            Arena.open(name).queue("frames").get()
        except OutOfSlots:
            child.say("refused")

    assert begin(another).hear() in ("refused", "")
    assert queue.get() == 1


def test_a_fork_while_a_thread_waits_in_get(arena, begin):
    queue, answers = arena.queue(), arena.queue()
    got = []
    waiting = threading.Thread(target=lambda: got.append(queue.get()))
    waiting.start()

    def part(child):
        queue.put("from the child")
        child.say(answers.get(timeout=60))

    child = begin(part)
    waiting.join()
    assert got == ["from the child"]
    answers.put("hello")
    assert child.hear() == "hello"
    assert child.wait() == 0


def test_a_child_does_not_end_what_its_parent_has_in_hand(arena, begin):
    queue = arena.queue()
    queue.put(np.arange(5))
    message = queue._channel.take()

    def part(child):
        queue._channel.settle(message)
        with pytest.raises(Empty):
            queue.get_nowait()
        child.say("refused")

    child = begin(part)
    assert child.hear() == "refused"
    assert child.wait() == 0
    assert queue.empty()
    queue._channel.settle(message)
    assert queue.get().tolist() == [0, 1, 2, 3, 4]


def test_reap_frees_what_a_dead_consumer_had_in_hand(arena, used, begin):
    queue = arena.queue("frames")
    before = used(arena)
    queue.put(np.arange(1000))

    def part(child):
        message = queue._channel.take()
        child.say("taken")
        child.hear()
        queue._channel.settle(message)

    consumer = begin(part)
    assert consumer.hear() == "taken"
    arena.reap()
    assert used(arena) != before
    consumer.kill()
    assert arena.reap() == 1
    assert used(arena) == before


def test_a_stopped_consumer_delays_nobody(arena, begin):
    queue, answers = arena.queue(), arena.queue()

    def stopped(child):
        child.say(queue.get())
        message = queue._channel.take()
        child.say("stopping")
        os.kill(os.getpid(), signal.SIGSTOP)
        queue._channel.settle(message)

    queue.put_many(["first", np.arange(5)])
    consumer = begin(stopped)
    assert [consumer.hear(), consumer.hear()] == ["first", "stopping"]
    os.waitpid(consumer.pid, os.WUNTRACED)

    def work(child):
        for number in queue:
            answers.put(number)

    worker = begin(work)
    for number in range(100):
        queue.put(number)
        assert answers.get(timeout=60) == number
    os.kill(consumer.pid, signal.SIGCONT)
    assert answers.get(timeout=60).tolist() == [0, 1, 2, 3, 4]
    assert consumer.wait() == 0
    worker.kill()
