"""An arena that is full, handles that are lost, and workers that are killed."""

from __future__ import annotations

import os

import numpy as np
import pytest

pytest.importorskip("distributed")

from tests.adapters.dask import on_workers

MIB = 1 << 20


@pytest.fixture
def is_empty(client, until_in_use):
    """Wait until the arena of host a is empty, and its workers are back."""

    def wait():
        until_in_use(0)
        client.wait_for_workers(4, timeout=60)

    return wait


def test_a_full_arena_means_bytes_and_is_counted(on, run_on, arena):
    made = on("a1", np.ones, MIB // 8)
    made.result()
    rest = [arena.alloc(arena.stats().largest_free_bytes) for _ in range(3) if arena.stats().free]
    also = on("a1", on_workers.filled, MIB, 7)
    assert on("a2", on_workers.described, also).result() == (False, 7, 7, True)
    # This one lies in the arena, and can be sent.
    assert on("a2", on_workers.lies_in_arena, made).result()
    assert run_on("a1", on_workers.counts)["full"] >= 1
    del rest


def test_data_whose_handle_was_lost_are_requested_again(on, run_on):
    made = on("a1", on_workers.filled, MIB, 7)
    run_on("a2", on_workers.loses_the_next_handle)
    assert on("a2", on_workers.described, made).result() == (True, 7, 7, True)
    assert run_on("a2", on_workers.counts)["lost"] == 1


def test_scattered_data_whose_handle_was_lost_are_sent_again(client, on, run_on):
    run_on("a2", on_workers.loses_the_next_handle)
    with pytest.raises((OSError, RuntimeError)):
        client.scatter(np.full(MIB, 7, "u1"), direct=True, workers=["a2"], hash=False)
    there = client.scatter(np.full(MIB, 7, "u1"), direct=True, workers=["a2"], hash=False)
    assert on("a2", on_workers.described, there).result() == (True, 7, 7, True)


@pytest.mark.parametrize(
    ("worker", "when"),
    [
        # It holds results, and is asked for one.
        ("a1", ("dies_before", "handle_of")),
        # There is a handle that nobody knows; it expires.
        ("a1", ("dies_after", "handle_of")),
        # It has the handle, and has not claimed it; then the sender ends the handle.
        ("a2", ("dies_before", "_claimed")),
        # It has claimed the handle, and says so to nobody.
        ("a2", ("dies_after", "_claimed")),
    ],
)
def test_a_worker_killed_while_data_travel_leaves_nothing(on, run_on, is_empty, worker, when):
    # Dask starts the worker anew, under an address that these names do not mean then.
    anew = {"retries": 5, "allow_other_workers": True}
    made = on("a1", on_workers.filled, MIB, 7, **anew)
    made.result()
    if worker == "a1":
        run_on("a1", on_workers.set_life, 1)
    how, what = when
    run_on(worker, getattr(on_workers, how), what)
    killed = run_on(worker, os.getpid)
    taken = on("a2", on_workers.described, made, **anew)
    assert taken.result()[1:] == (7, 7, True)
    del made, taken
    is_empty()
    assert run_on(worker, os.getpid) != killed
