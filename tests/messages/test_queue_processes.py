"""Queues between processes: passed, pickled and found by name, beside processes that are killed."""

from __future__ import annotations

import pickle

import pytest

from pagebuddy import Arena, ArenaQueue, StaleHandle


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
