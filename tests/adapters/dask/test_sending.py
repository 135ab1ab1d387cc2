"""What goes by handle, and what as bytes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("distributed")

from tests.adapters.dask import on_workers

MIB = 1 << 20


@pytest.mark.parametrize(
    ("source", "target", "is_there"),
    [
        ("a1", "a2", True),
        ("a1", "b1", False),
        ("a1", "c1", False),
        ("b1", "a1", False),
        ("c1", "a1", False),
    ],
)
def test_arrays_go_by_handle_within_a_host_and_as_bytes_to_all_others(on, source, target, is_there):
    made = on(source, on_workers.filled, MIB, 7)
    assert on(target, on_workers.described, made).result() == (is_there, 7, 7, True)


def test_results_of_tasks_are_made_in_the_arena(on):
    made = on("a1", on_workers.filled, MIB, 7)
    assert on("a1", on_workers.described, made).result() == (True, 7, 7, True)


def test_arrays_of_less_than_64_kib_are_sent_as_bytes(on):
    lengths = (65535, 65536)
    made = [on("a1", on_workers.filled, n, 7) for n in lengths]
    assert [on("a2", on_workers.lies_in_arena, each).result() for each in made] == [False, True]


def test_workers_of_one_host_share_what_tasks_return(on, arena, until_in_use):
    made = on("a1", on_workers.filled, 8 * MIB, 7)
    taken = on("a2", lambda array: array, made)
    assert on("a2", on_workers.described, taken).result()[:2] == (True, 7)
    until_in_use(8 * MIB)
    assert [row.nbytes for row in arena.buffers()] == [8 * MIB]
    del made, taken


@pytest.mark.parametrize("kind", ["frame", "table"])
def test_frames_and_tables_go_by_handle(on, run_on, kind):
    made = on("a1", a_frame_or_table, kind)
    before = run_on("a2", on_workers.counts)
    assert on("a2", sum_in_the_arena, made).result() == sum(range(100_000))
    assert run_on("a2", on_workers.counts) == before


def a_frame_or_table(kind):
    import pandas as pd
    import pyarrow as pa

    numbers = {"n": np.arange(100_000)}
    return pd.DataFrame(numbers) if kind == "frame" else pa.table(numbers)


def sum_in_the_arena(made):
    values = made["n"].to_numpy()
    # A view of pages of the arena, wherever the library hides them.
    member = on_workers.adapter()._member
    base, size = member._attachment.extent
    address = values.__array_interface__["data"][0]
    assert base <= address < base + size
    return int(values.sum())


def test_a_client_gets_a_copy_of_its_own(on, client, arena):
    made = on("a1", on_workers.filled, MIB, 7)
    mine = client.gather(made, direct=True)
    assert arena.buffer_of(mine)
    mine[:] = 0
    assert on("a2", on_workers.described, made).result() == (True, 7, 7, True)


def test_the_result_that_a_scheduler_passes_on_is_bytes(on, client, arena):
    made = on("a1", on_workers.filled, MIB, 7)
    mine = client.gather(made, direct=False)
    assert mine[0] == 7
    with pytest.raises(ValueError, match="not in this arena"):
        arena.buffer_of(mine)


def test_an_actor_changes_neither_what_it_got_nor_what_it_returned(client, on):
    counter = client.submit(on_workers.Counter, MIB, actor=True, workers=["a1"]).result()
    one = np.ones(MIB, "u1")
    first = counter.add(one).result()
    second = counter.add(one).result()
    assert (first[0], second[0], one[0]) == (1, 2, 1)
    assert on("a2", task_with_actor, counter).result() == (3, 4)


def task_with_actor(counter):
    one = np.ones(MIB, "u1")
    first = counter.add(one).result()
    one[:] = 7
    second = counter.add(np.ones(MIB, "u1")).result()
    return int(first[0]), int(second[0])


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("broadcast", [False, True])
def test_scattered_data_arrive_at_every_worker(client, on, direct, broadcast):
    mine = np.full(MIB, 7, "u1")
    there = client.scatter(
        mine, direct=direct, broadcast=broadcast, hash=False, workers=["a1", "b1"]
    )
    mine[:] = 0
    for worker in ("a1", "a2", "b1", "c1"):
        assert on(worker, on_workers.described, there).result()[1:] == (7, 7, True)


def test_replicas_are_made_on_every_worker(client, on):
    made = on("a1", on_workers.filled, MIB, 7)
    client.replicate(made)
    assert len(client.who_has(made)[made.key]) == 4
    for worker in ("a1", "a2", "b1", "c1"):
        assert on(worker, on_workers.described, made).result()[1:] == (7, 7, True)


def test_a_retried_task_gets_its_input_again(on, tmp_path):
    made = on("a1", on_workers.filled, MIB, 7)
    again = on("a2", on_workers.fails_once, made, str(tmp_path / "failed"), retries=1)
    assert again.result() == (True, 7, 7, True)


def test_functions_that_refer_to_arrays_leave_no_handles_however_often_they_are_pickled(on, arena):
    array = arena.full(MIB, 7, "u1")
    assert on("a2", lambda: int(array.sum())).result() == 7 * MIB
    assert arena.stats().tickets == 0


def test_nothing_stays_when_all_futures_are_gone(on, arena, until_in_use):
    made = [on("a1", on_workers.filled, MIB, i) for i in range(8)]
    summed = on("a2", lambda arrays: sum(int(each[0]) for each in arrays), made)
    assert summed.result() == 28
    del made, summed
    until_in_use(0)
    assert arena.stats().tickets == 0
