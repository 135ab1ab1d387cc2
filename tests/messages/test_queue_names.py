"""Names of queues: processes find a queue by its name, until it is unlinked."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from pagebuddy import ShutDown


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


def test_a_queue_without_a_name_ends_with_its_messages(arena, used):
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


def test_another_maxsize_than_the_creators_is_refused(arena, used):
    arena.queue("frames", maxsize=3)
    with pytest.raises(ValueError, match=r"maxsize is 4, but the queue 'frames' was made with 3"):
        arena.queue("frames", maxsize=4)
    with pytest.raises(ValueError, match=r"maxsize is 0, but the queue 'frames' was made with 3"):
        arena.queue("frames", maxsize=0)
    assert arena.queue("frames", maxsize=3).maxsize == 3


def test_unlink_frees_the_name_and_all_that_was_in_the_queue(arena, used):
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
