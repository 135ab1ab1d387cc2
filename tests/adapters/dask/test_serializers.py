"""What is sent arrives as Dask alone delivers it, whatever it is."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("distributed")
pytest.importorskip("pyarrow")
pytest.importorskip("pandas")

import dask
import pandas as pd
import pyarrow as pa
from distributed.comm import CommClosedError
from distributed.protocol import deserialize_bytes, dumps, loads, serialize_bytes, to_serialize

import pagebuddy.adapters.dask as adapter

N = 20_000
ARRAYS = [
    *("plain", "fortran", "strided", "backwards", "read-only", "broadcast", "dates", "structured"),
    *("text", "objects", "complex", "masked", "matrix", "nothing", "scalar"),
]
FRAMES = ["frame", "column", "index", "indexed", "part", "objects", "dates"]


@contextmanager
def membership(name):
    """Let this process be a member of an arena of this name."""
    with dask.config.set({"distributed.pagebuddy": {"arena": name, "size": "64 MiB"}}):
        adapter._member = member = adapter._Member()
        try:
            yield member
        finally:
            adapter._leave()


@pytest.fixture
def member(name):
    with membership(name) as member:
        yield member


def sent(thing, told, shares=False):
    """Send something to a process that says this of the arena. Return the frames."""
    token = adapter._handed.set([] if shares else None)
    try:
        return dumps(to_serialize(thing), context={"recipient": told, "pickle-protocol": 5})
    finally:
        adapter._handed.reset(token)


def as_they_arrive(frames):
    """Frames as a socket delivers them: in memory of their own, which may be changed."""
    return [bytearray(each) for each in frames]


def n_bytes(frames):
    return sum(memoryview(each).nbytes for each in frames)


def arrays():
    rng = np.random.default_rng(0)
    plain = rng.random((N // 100, 100))
    fixed = plain.copy()
    fixed.flags.writeable = False
    return {
        "plain": plain,
        "fortran": np.asfortranarray(plain),
        "strided": plain[::2, ::3],
        "backwards": plain[::-1],
        "read-only": fixed,
        "broadcast": np.broadcast_to(plain[0], (1000, 100)),
        "dates": np.arange(N).astype("M8[s]"),
        "structured": np.zeros(N, [("a", "i4"), ("b", "f8")]),
        "text": np.full(N, "hello", "U5"),
        "objects": np.array(["hello", None] * N, object),
        "complex": plain * 1j,
        "masked": np.ma.masked_greater(plain, 0.5),
        "matrix": np.asmatrix(plain),
        "nothing": plain[:0],
        "scalar": np.array(5.0),
    }


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_arrays_arrive_as_they_do_without_an_arena(member, kind, shares):
    told = member.introduce("other", True)
    array = arrays()[kind]
    alone = loads(as_they_arrive(sent(array, {})))
    arrived = loads(as_they_arrive(sent(array, told, shares)))
    assert type(arrived) is type(alone)
    assert (arrived.dtype, arrived.shape) == (alone.dtype, alone.shape)
    assert arrived.strides == alone.strides
    assert arrived.flags.writeable == alone.flags.writeable
    np.testing.assert_array_equal(arrived, array)


def frames():
    numbers = np.arange(N)
    texts = [f"text {i}" for i in range(N)]
    frame = pd.DataFrame({"a": numbers, "b": numbers / 3, "s": texts, "c": pd.Categorical(texts)})
    return {
        "frame": frame,
        "column": frame["b"],
        "index": pd.Index(numbers),
        "indexed": frame.set_index("s"),
        "part": frame[100:-100:3],
        "objects": frame.astype({"s": object}),
        "dates": pd.DataFrame({"d": pd.date_range("2026", periods=N, freq="s", tz="UTC")}),
    }


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("kind", FRAMES)
def test_data_frames_arrive_as_they_are(member, kind, shares):
    told = member.introduce("other", True)
    frame = frames()[kind]
    data = sent(frame, told, shares)
    if kind != "objects":
        assert n_bytes(data) < n_bytes(sent(frame, {})) / 2
    arrived = loads(as_they_arrive(data))
    check = {
        pd.DataFrame: pd.testing.assert_frame_equal,
        pd.Series: pd.testing.assert_series_equal,
        pd.Index: pd.testing.assert_index_equal,
    }
    check[type(frame)](arrived, frame)


@pytest.mark.parametrize("shares", [False, True])
def test_tables_arrive_as_they_are(member, shares):
    told = member.introduce("other", True)
    table = pa.table({"n": range(N), "s": [f"text {i}" for i in range(N)]})
    for thing in (table, table[100:-100], table.combine_chunks().to_batches()[0]):
        data = sent(thing, told, shares)
        assert n_bytes(data) < 4096
        assert loads(as_they_arrive(data)).equals(thing)


def test_collections_arrive_with_each_array_by_handle(member):
    told = member.introduce("other", True)
    things = {"a": [np.ones(N), np.zeros(5)], "b": ("text", {"c": np.full(N, 7.0)})}
    data = sent(things, told)
    assert n_bytes(data) < 4096
    arrived = loads(as_they_arrive(data))
    assert (arrived["a"][0].sum(), arrived["b"][1]["c"].sum()) == (N, 7 * N)


def test_what_is_shared_is_the_same_memory_and_what_is_not_is_a_copy(member):
    told = member.introduce("other", True)
    array = member.arena.copy(np.zeros(N))
    shared = loads(sent(array, told, shares=True))
    owned = loads(sent(array, told))
    array[:] = 7
    assert (shared[0], owned[0]) == (7, 0)


def test_clients_share_nothing(member):
    told = member.introduce("a client", False)
    array = member.arena.copy(np.zeros(N))
    arrived = loads(sent(array, told, shares=True))
    arrived[:] = 7
    assert array[0] == 0


def test_a_small_part_does_not_keep_its_whole_array(member):
    told = member.introduce("other", True)
    array = member.arena.copy(np.zeros(100 * N))
    part = loads(sent(array[:N], told, shares=True))
    del array
    assert member.arena.stats().used_bytes == N * 8 + -N * 8 % 4096
    assert part.sum() == 0


def test_spilled_data_are_bytes(member):
    array = member.arena.copy(np.ones(N))
    data = serialize_bytes(array)
    assert len(data) > N * 8
    assert deserialize_bytes(data).sum() == N
    assert member.arena.stats().tickets == 0


def test_handles_that_nobody_reads_expire(member, until):
    told = member.introduce("other", True)
    member._life_s = 0.01
    sent(np.ones(N), told)
    assert member.arena.stats().used

    def expired():
        member.arena.reap()
        return member.arena.stats().used == 0

    until(expired)


def test_a_handle_that_was_read_before_is_a_broken_connection(member):
    told = member.introduce("other", True)
    data = as_they_arrive(sent(np.ones(N), told))
    loads(data)
    with pytest.raises(CommClosedError, match="data did not arrive through the arena"):
        loads(data)
    # The arena is as good as before.
    assert adapter._member is member


def test_an_arena_of_the_same_name_is_another_one(member, name):
    told = member.introduce("other", True)
    there = {**told["pagebuddy"], "arena": f"{1 << 127:032x}"}
    data = sent(np.ones(N), {"pagebuddy": there})
    assert n_bytes(data) > N * 8


def test_a_damaged_arena_is_used_no_longer(member):
    told = member.introduce("other", True)
    before = adapter.fallbacks.counts.get("unusable", 0)
    member.arena.close()
    data = sent(np.ones(N), told)
    assert loads(as_they_arrive(data)).sum() == N
    assert adapter.fallbacks.counts["unusable"] == before + 1
    assert told == {}
    assert adapter._member is None
