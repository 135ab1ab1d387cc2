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

from pagebuddy import Arena, ArenaClosed, ArenaQueue, OutOfPages, ShutDown, StaleHandle


@pytest.fixture
def arena(Arena):
    return Arena("4 MiB")


@pytest.fixture
def queue(arena):
    with arena.queue() as made:
        arena.used_by_queue = used(arena)
        yield made


def used(arena):
    gc.collect()
    return arena.stats().used, sum(row.tickets for row in arena.buffers())


def nothing_left(arena):
    return used(arena) == arena.used_by_queue


def filled(queue, **how):
    """Put numbers until the queue is full; return how many."""
    n = 0
    while True:
        try:
            queue.put(n, **(how or {"block": False}))
        except Full:
            return n
        n += 1


# -- put and get -------------------------------------------------------------------------------------


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


def test_messages_of_every_length_around_what_lies_in_the_queue(arena, queue):
    for n in range(4080, 4100):
        queue.put("x" * n)
        queue.put(bytes(n))
    for n in range(4080, 4100):
        assert queue.get() == "x" * n
        assert queue.get() == bytes(n)
    assert nothing_left(arena)


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


def test_a_message_outlives_what_was_put(arena, queue):
    sent = arena.full(1000, 7)
    queue.put([sent, sent[:10]])
    del sent
    assert arena.reap(unclaimed_after=0) == 0
    both = queue.get()
    assert [part.sum() for part in both] == [7000, 70]
    del both
    assert nothing_left(arena)


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
def test_a_full_queue_keeps_nothing_of_what_it_refused(arena, how):
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


def test_what_finds_room_while_it_waits_is_sent_once(arena):
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


def test_who_waits_for_room_is_interrupted_by_a_signal(arena):
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


def test_a_queue_without_maxsize_is_full_when_it_has_no_cells(arena):
    queue = arena.queue(nbytes=4096)
    assert filled(queue) == queue.qsize()
    assert queue.full()


def test_a_queue_of_more_messages_than_bytes_does_not_lose_any(arena):
    queue = arena.queue(maxsize=100_000, nbytes=4096)
    n = filled(queue)
    assert queue.get_many(n + 1) == list(range(n))


# -- names -------------------------------------------------------------------------------------------


def test_a_queue_is_found_by_its_name(arena):
    with arena.queue("frames", maxsize=3) as first, arena.queue("frames") as second:
        first.put(np.arange(3))
        assert second.maxsize == 3
        assert second.get().tolist() == [0, 1, 2]


def test_a_named_queue_stays_with_its_messages_when_nobody_has_it(arena):
    with arena.queue("frames") as queue:
        queue.put_many([1, np.arange(3)])
    del queue
    gc.collect()
    arena.reap()
    assert arena.queue("frames").get() == 1
    assert arena.queue("frames").get().tolist() == [0, 1, 2]


def test_a_queue_without_a_name_ends_with_its_messages(arena):
    before = used(arena)
    with arena.queue() as queue:
        queue.put_many([1, np.arange(3)])
    assert used(arena) == before
    queue = arena.queue()
    queue.put(np.arange(3))
    del queue
    assert used(arena) == before


def test_queues_objects_and_keys_do_not_share_names(arena):
    arena.alloc(1).keep("name")
    arena.objects["name"] = 5
    queue = arena.queue("name")
    queue.put(6)
    assert arena.objects["name"] == 5
    assert len(arena["name"]) == 1
    assert queue.unlink()
    assert "name" in arena
    assert arena.objects["name"] == 5


def test_another_maxsize_than_the_creators_is_refused(arena):
    arena.queue("frames", maxsize=3)
    with pytest.raises(ValueError, match=r"maxsize is 4, but the queue 'frames' was made with 3"):
        arena.queue("frames", maxsize=4)
    with pytest.raises(ValueError, match=r"maxsize is 0, but the queue 'frames' was made with 3"):
        arena.queue("frames", maxsize=0)
    assert arena.queue("frames", maxsize=3).maxsize == 3


def test_unlink_frees_the_name_and_all_that_was_in_the_queue(arena):
    before = used(arena)
    queue = arena.queue("frames")
    queue.put(np.zeros(10_000))
    other = arena.queue("frames")
    assert queue.unlink()
    assert not other.unlink()
    assert not queue.unlink()
    queue.close()
    other.close()
    assert used(arena) == before


def test_an_unlinked_queue_gives_what_it_has_and_takes_nothing(arena):
    queue = arena.queue("frames")
    queue.put("last")
    queue.unlink()
    for put in (queue.put, queue.put_nowait, lambda thing: queue.put_many([thing])):
        with pytest.raises(ShutDown, match="the queue 'frames' was unlinked; make it again"):
            put(np.zeros(10_000))
    assert queue.get() == "last"
    for get in (queue.get, queue.get_nowait, lambda: queue.get_many(3)):
        with pytest.raises(ShutDown, match="the queue 'frames' was unlinked, and is empty"):
            get()
    again = arena.queue("frames")
    again.put("new")
    assert again.get() == "new"
    with pytest.raises(ShutDown):
        queue.get()


def test_unlink_wakes_who_waits(arena):
    queue = arena.queue("frames", maxsize=1)
    queue.put(1)
    raised = []

    def use(call):
        try:
            call()
        except ShutDown:
            raised.append(call)

    putting = threading.Thread(target=use, args=(lambda: arena.queue("frames").put(2),))
    putting.start()
    putting.join(0.05)
    queue.unlink()
    putting.join()
    assert queue.get() == 1
    other = arena.queue("frames")
    getting = [threading.Thread(target=use, args=(other.get,)) for _ in range(3)]
    for thread in getting:
        thread.start()
    getting[0].join(0.05)
    other.unlink()
    for thread in getting:
        thread.join()
    assert len(raised) == 4


def test_a_queue_without_a_name_can_be_unlinked(arena):
    queue = arena.queue()
    assert not queue.unlink()
    with pytest.raises(ShutDown, match="the queue was unlinked"):
        queue.put(1)


# -- iteration, producers, tasks ---------------------------------------------------------------------


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


def test_the_representation_of_a_queue(arena):
    assert repr(arena.queue("frames")) == f"<ArenaQueue 'frames' of {arena!r}>"
    assert repr(arena.queue()) == f"<ArenaQueue of {arena!r}>"


# -- other processes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "frames"], ids=["anonymous", "named"])
def test_a_pickled_queue_is_the_same_queue(name, key):
    queue = Arena.open(name, "4 MiB").queue(key)
    queue.put(1)
    data = pickle.dumps(queue)
    same = pickle.loads(data)
    assert type(same) is ArenaQueue
    assert same.name == key
    assert same.get() == 1
    if key is None:
        with pytest.raises(StaleHandle):
            pickle.loads(data)
    else:
        pickle.loads(data).put(2)
        assert queue.get() == 2
    del same
    assert queue.empty()


STARTS = ["fork", *(pytest.param(how, marks=pytest.mark.soak) for how in ("spawn", "forkserver"))]


def test_processes_started_in_any_way(run, start):
    run("through_a_queue", start)


@pytest.mark.parametrize("start", STARTS)
def test_processes_meet_by_the_name_of_a_queue(run, start):
    run("by_name", start)


@pytest.mark.parametrize("start", STARTS)
def test_a_pool_takes_queues_as_arguments(run, start):
    run("in_a_pool", start)


@pytest.mark.parametrize("start", STARTS)
def test_killed_processes_leave_the_others_working(run, start):
    run("killed_at_a_queue", start)
