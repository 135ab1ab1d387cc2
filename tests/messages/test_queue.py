"""Queues: each message once, in order, and no lock that could be left locked."""

from __future__ import annotations

import pickle
from queue import Empty

import numpy as np
import pytest

from pagebuddy import OutOfPages

# -- put and get -------------------------------------------------------------------------------------


def test_messages_come_in_order_and_once(queue):
    for sent in (1, "two", [3], None):
        queue.put(sent)
    assert [queue.get() for _ in range(4)] == [1, "two", [3], None]
    assert queue.empty()


@pytest.mark.parametrize("n", [0, 1, 500, 5000, 300_000])
def test_messages_of_any_length(arena, queue, n, used):
    before = used(arena)
    queue.put({"array": np.arange(n), "bytes": bytes(n)})
    assert not queue.empty()
    got = queue.get()
    assert got["array"].tolist() == list(range(n))
    assert got["bytes"] == bytes(n)
    del got
    assert used(arena) == before


def test_messages_of_every_length_around_what_lies_in_the_queue(arena, queue, used):
    before = used(arena)
    for n in range(4080, 4100):
        queue.put("x" * n)
        queue.put(bytes(n))
    for n in range(4080, 4100):
        assert queue.get() == "x" * n
        assert queue.get() == bytes(n)
    assert used(arena) == before


def test_messages_lie_anywhere_in_the_queue(arena, effort):
    queue = arena.queue(nbytes=4096)
    for n in range(effort.pick(200, 3000)):
        queue.put((n, "x" * (n * 37 % 900)))
        if n % 3:
            queue.put(n)
            assert queue.get() == (n, "x" * (n * 37 % 900))
            assert queue.get() == n
        else:
            assert queue.get() == (n, "x" * (n * 37 % 900))


def test_an_array_in_the_arena_is_not_copied(arena, queue):
    sent = arena.zeros(100_000)
    before = arena.stats().used
    queue.put(sent)
    got = queue.get()
    assert arena.stats().used == before
    sent[7] = 7
    assert got[7] == 7


def test_a_message_outlives_what_was_put(arena, queue, used):
    before = used(arena)
    sent = arena.full(1000, 7)
    queue.put([sent, sent[:10]])
    del sent
    assert arena.reap(unclaimed_after=0) == 0
    both = queue.get()
    assert [part.sum() for part in both] == [7000, 70]
    del both
    assert used(arena) == before


def test_what_cannot_be_sent_leaves_nothing(arena, queue, used):
    before = used(arena)
    with pytest.raises(OutOfPages):
        queue.put([np.zeros(100_000), np.zeros(1_000_000)])
    with pytest.raises((pickle.PicklingError, AttributeError)):
        queue.put([np.zeros(100_000), lambda: 0])
    assert used(arena) == before
    assert queue.empty()


@pytest.mark.parametrize(("timeout", "error"), [("5", TypeError), (-1, ValueError)])
def test_timeouts_are_checked(queue, timeout, error):
    with pytest.raises(error, match="timeout"):
        queue.put(1, timeout=timeout)
    for use in (queue.get, queue.join):
        with pytest.raises(error, match="timeout"):
            use(timeout=timeout)
    with pytest.raises(error, match="timeout"):
        queue.get_many(1, timeout)
    with pytest.raises(error, match="timeout"):
        queue.put_many([1], timeout=timeout)
    assert queue.empty()


# -- several at once ---------------------------------------------------------------------------------


def test_get_many_takes_what_is_there(queue):
    assert queue.put_many(iter(range(7))) == 7
    assert queue.get_many(5) == [0, 1, 2, 3, 4]
    assert queue.get_many(5) == [5, 6]
    with pytest.raises(Empty, match=r"nothing was put within 0.01 seconds"):
        queue.get_many(5, timeout=0.01)


@pytest.mark.parametrize(("most", "error"), [(0, ValueError), (-1, ValueError), ("5", TypeError)])
def test_get_many_takes_at_least_one(queue, most, error):
    queue.put(1)
    with pytest.raises(error, match="max"):
        queue.get_many(most)
    assert queue.qsize() == 1


def test_put_many_says_how_many_had_room(arena):
    queue = arena.queue(maxsize=3)
    assert queue.put_many(range(5), block=False) == 3
    assert queue.put_many(range(5), timeout=0.01) == 0
    assert queue.get_many(5) == [0, 1, 2]


def test_put_many_keeps_what_was_put_before_an_error(queue):
    with pytest.raises((pickle.PicklingError, AttributeError)):
        queue.put_many([1, 2, lambda: 0, 4])
    assert queue.get_many(5) == [1, 2]


# -- figures -----------------------------------------------------------------------------------------


def test_qsize_counts_what_waits(queue):
    for n in range(5):
        assert queue.qsize() == n
        assert queue.empty() == (n == 0)
        queue.put(np.zeros(n))
    for n in reversed(range(5)):
        queue.get()
        assert queue.qsize() == n


def test_maxsize_is_what_was_asked_for(arena):
    assert arena.queue().maxsize == 0
    assert arena.queue(maxsize=7).maxsize == 7
    assert arena.queue().name is None
    assert arena.queue("frames").name == "frames"


def test_the_representation_of_a_queue(arena):
    assert repr(arena.queue("frames")) == f"<ArenaQueue 'frames' of {arena!r}>"
    assert repr(arena.queue()) == f"<ArenaQueue of {arena!r}>"
