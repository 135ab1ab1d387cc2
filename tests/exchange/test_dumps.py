"""dumps and loads: what lies in the arena stays there, what does not is copied in once."""

from __future__ import annotations

import gc
import os
import pickle
from multiprocessing.reduction import ForkingPickler
from pickle import PickleBuffer

import numpy as np
import pytest

import pagebuddy
from pagebuddy import OutOfPages, OutOfTickets
from pagebuddy.exchange.dumping import dump, pickled

PAGES = 64


@pytest.fixture
def arena(Arena):
    return Arena(PAGES * 4096)


@pytest.fixture
def array(arena):
    made = arena.empty((40, 50), "i4")
    made[...] = np.arange(2000).reshape(40, 50)
    return made


def used(arena):
    return arena.stats().used


def same_place(one, other):
    return one.__array_interface__["data"] == other.__array_interface__["data"]


VIEWS = {
    "whole": lambda a: a,
    "rows": lambda a: a[3:7],
    "one item": lambda a: a[5, 5:6],
    "no dimension": lambda a: a[5, 5:6].reshape(()),
    "transposed": lambda a: a.T,
    "every third": lambda a: a[::2, 1::3],
    "backwards": lambda a: a[::-1, ::-2],
    "column": lambda a: a[:, 7],
    "repeated": lambda a: np.broadcast_to(a[2], (5, 50)),
    "three dimensions": lambda a: a.reshape(4, 10, 50).transpose(1, 2, 0),
    "other items": lambda a: a.view("u1"),
    "times": lambda a: a.reshape(-1).view("M8[s]"),
    "structure": lambda a: a.view([("x", "i4"), ("y", "i4")]),
    "from a view": lambda a: np.frombuffer(memoryview(a).cast("B")[8:400], "i4"),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_what_lies_in_the_arena_stays_where_it_is(arena, array, view):
    sent = view(array)
    before = used(arena)
    data = arena.dumps(sent)
    assert (used(arena), arena.stats().tickets) == (before, 1)
    assert len(data) < 500
    loaded = arena.loads(data)
    assert arena.stats().tickets == 0
    assert loaded.dtype == sent.dtype
    assert loaded.shape == sent.shape
    assert loaded.size == 0 or loaded.strides == sent.strides or loaded.ndim == 0
    np.testing.assert_array_equal(loaded, sent)
    assert same_place(loaded, sent)
    assert arena.buffer_of(loaded).offset == arena.buffer_of(array).offset


FOREIGN = {
    "plain": lambda: np.arange(4096),
    "order F": lambda: np.asfortranarray(np.arange(6000).reshape(60, 100)),
    "every other": lambda: np.arange(20000).reshape(100, 200)[::2, ::2],
    "times": lambda: np.arange(5000).astype("M8[s]"),
    "transposed": lambda: np.arange(6000).reshape(10, 20, 30).transpose(1, 0, 2),
    "structure": lambda: np.zeros(1000, [("x", "f8"), ("y", "u1")]),
    "read-only": lambda: np.frombuffer(bytes(range(256)) * 64, "u1"),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_what_lies_elsewhere_is_copied_in_once(arena, make):
    sent = make()
    data = arena.dumps(sent)
    assert used(arena) == -(-sent.nbytes // 4096)
    assert arena.stats().tickets == 1
    loaded = arena.loads(data)
    np.testing.assert_array_equal(loaded, sent)
    assert loaded.dtype == sent.dtype
    assert loaded.flags.writeable == sent.flags.writeable
    assert loaded.flags.f_contiguous or not sent.flags.f_contiguous
    assert loaded.__array_interface__["data"][0] % 64 == 0
    arena.buffer_of(loaded)
    del data
    assert used(arena) > 0
    part = loaded[:1]
    del loaded
    assert used(arena) > 0
    del part
    assert used(arena) == 0


@pytest.mark.parametrize("sent", [np.arange(10), np.arange(100)[::2], np.zeros((0, 5))], ids=str)
def test_what_is_small_travels_as_it_is(arena, sent):
    data = arena.dumps(sent)
    assert (used(arena), arena.stats().tickets) == (0, 0)
    np.testing.assert_array_equal(arena.loads(data), sent)
    np.testing.assert_array_equal(arena.loads(data), sent)


def test_items_of_any_kind_travel_as_they_are(arena):
    kinds = [
        "?",
        "<i2",
        ">i2",
        ">f8",
        "f2",
        "c16",
        "S3",
        "U3",
        "m8[ms]",
        [("x", "i4"), ("y", "S2")],
    ]
    kinds = [*map(np.dtype, kinds), np.dtype("i4", metadata={"unit": "m"})]
    sent = [np.zeros(700, kind) for kind in kinds] + [arena.zeros(7, kind) for kind in kinds]
    for one, loaded in zip(sent, arena.loads(arena.dumps(sent)), strict=True):
        assert (loaded.dtype, loaded.shape) == (one.dtype, one.shape)
        # numpy 2.2 itself makes an empty one of none where it pickles a time.
        assert (loaded.dtype.metadata or {}) == (one.dtype.metadata or {})
        assert loaded.dtype.isnative == one.dtype.isnative


def test_many_views_of_many_buffers(arena):
    sent = [arena.full((4, 4), i, "u2") for i in range(40)]
    both = [[one, one[1:], one.T, one[::2, ::2]] for one in sent]
    for i, views in enumerate(arena.loads(arena.dumps(both))):
        assert [view.shape for view in views] == [(4, 4), (3, 4), (4, 4), (2, 2)]
        assert all((view == i).all() for view in views)
        assert np.shares_memory(views[0], sent[i])


def test_read_only_stays_read_only(arena, array):
    view, strided = array[:], array[::2, ::2]
    view.flags.writeable = strided.flags.writeable = False
    loaded = arena.loads(arena.dumps([view, strided, array]))
    assert [one.flags.writeable for one in loaded] == [False, False, True]
    assert all(one.base is not None for one in loaded)


def test_several_views_of_a_buffer_are_one_handle(arena, array):
    data = arena.dumps([array, array[1:], {"column": array[:, 0]}, array])
    assert arena.stats().tickets == 1
    whole, rest, named, again = arena.loads(data)
    assert whole is again
    assert np.shares_memory(whole, rest)
    assert np.shares_memory(whole, named["column"])


def test_what_is_loaded_sees_what_others_write(arena, array):
    loaded = arena.loads(arena.dumps(array))
    array[1, 1] = -7
    assert loaded[1, 1] == -7


def test_a_view_may_see_more_than_the_buffer_tells(arena):
    buffer = arena.alloc(4096)
    array = buffer.array()
    array[...] = 7
    assert buffer.resize(100)
    both = arena.loads(arena.dumps([array, buffer]))
    assert (both[0] == 7).all()
    assert (both[0].nbytes, both[1].nbytes) == (4096, 100)


def test_buffers_travel_as_themselves(arena):
    buffer = arena.alloc(5000)
    buffer.view[:5] = b"hello"
    data = arena.dumps([buffer, buffer, arena.alloc(10)])
    assert arena.stats().tickets == 2
    one, same, other = arena.loads(data)
    assert one is same
    assert (one.offset, one.nbytes, other.nbytes) == (buffer.offset, 5000, 10)
    assert bytes(one.view[:5]) == b"hello"


def test_a_buffer_of_another_arena_is_a_handle_too(arena, Arena):
    other = Arena("1 MiB")
    buffer = other.alloc(100)
    data = arena.dumps(buffer)
    assert other.stats().tickets == 1
    assert arena.loads(data).offset == buffer.offset
    assert other.stats().tickets == 0


def test_an_array_of_another_arena_is_copied_in(arena, Arena):
    sent = Arena("1 MiB").full(1000, 7.0)
    loaded = arena.loads(arena.dumps(sent))
    assert loaded.sum() == 7000
    arena.buffer_of(loaded)


@pytest.mark.parametrize("shape", [("B", (8192,)), ("d", (1024,)), ("i", (32, 64))], ids=str)
def test_a_memoryview_travels_with_its_shape(arena, shape):
    kind, sides = shape
    buffer = arena.alloc(8192)
    view = buffer.view.cast(kind, sides) if sides != (8192,) else buffer.view
    loaded = arena.loads(arena.dumps(view))
    assert (loaded.format, loaded.shape) == shape
    loaded.cast("B")[0] = 77
    assert buffer.view[0] == 77


@pytest.mark.parametrize("kind", ["B", "i", "d"])
def test_a_memoryview_without_items_travels_with_its_format(arena, kind):
    loaded = arena.loads(arena.dumps(memoryview(b"").cast(kind)))
    assert (loaded.format, loaded.shape, loaded.readonly) == (kind, (0,), True)


def test_a_memoryview_that_nothing_can_make_is_refused(arena):
    with pytest.raises(TypeError, match="memoryview"):
        arena.dumps(memoryview(np.zeros((0, 5))))


@pytest.mark.parametrize("n", [100, 10_000])
def test_bytes_are_bytes_and_what_views_them_views_the_arena(arena, n):
    given = bytes(range(100)) * (n // 100)
    sent = [given, bytearray(given), PickleBuffer(given), PickleBuffer(bytearray(given))]
    data = arena.dumps(sent)
    assert arena.stats().tickets == (2 if n > 4096 else 0)
    loaded = arena.loads(data)
    assert [type(one) for one in loaded[:2]] == [bytes, bytearray]
    assert [bytes(one) for one in loaded] == [given] * 4
    assert [memoryview(one).readonly for one in loaded] == [True, False, True, False]


PLAIN = [None, True, 7, -1 << 63, 1.5, 1 - 2j, "text", "\ud800", b"bytes", "x" * 10_000]
PICKLED = [1 << 63, -1 << 200, frozenset({1}), [[]], list(range(256)), {(1, 2): 3}]


@pytest.mark.parametrize("thing", PLAIN + PICKLED, ids=lambda thing: repr(thing)[:12])
def test_what_needs_no_buffer_uses_nothing_of_the_arena(arena, thing):
    data = arena.dumps(thing)
    assert data.endswith(pickle.dumps(thing, 5)) == (thing in PICKLED)
    assert arena.loads(data) == thing
    assert type(arena.loads(data)) is type(thing)
    assert used(arena) == arena.stats().tickets == 0


class Registered:
    """What is pickled as `multiprocessing` was told to, and not otherwise."""

    def __reduce__(self):
        raise AssertionError("its own way was not asked for")


def test_what_is_registered_with_multiprocessing_later_is_pickled_so(arena, monkeypatch):
    monkeypatch.setitem(ForkingPickler._extra_reducers, Registered, lambda thing: (str, ("by it",)))
    assert arena.loads(arena.dumps([Registered()])) == ["by it"]


def test_the_arena_itself_travels_as_a_name():
    arena = pagebuddy.Arena("1 MiB")
    array, found = arena.loads(arena.dumps([arena.zeros(10), arena]))
    assert found is not arena
    assert found.buffer_of(array).offset == arena.buffer_of(array).offset


def test_an_arena_of_one_process_dumps_for_itself(Arena):
    arena = Arena.over(bytearray(1 << 20))
    loaded = arena.loads(arena.dumps([np.arange(5000), arena.alloc(10)]))
    assert loaded[0].sum() == 12497500
    assert loaded[1].nbytes == 10
    del loaded
    assert arena.stats().used == 0


def test_no_room_is_out_of_pages_and_nothing_stays(arena, array):
    before = used(arena)
    buffer = arena.alloc(10)
    copied = [
        np.zeros(4096, "u1"),
        np.zeros(1000).reshape(10, 100)[:, ::-1],
        PickleBuffer(bytes(5000)),
    ]
    with pytest.raises(OutOfPages) as raised:
        arena.dumps([array, buffer, copied, np.zeros(PAGES * 4096, "u1")])
    # While the error is at hand, too.
    assert (used(arena), arena.stats().tickets) == (before + 1, 0)
    arena.verify()
    del raised


@pytest.mark.parametrize("n_arrays", [1, 2, 7])
def test_a_full_arena_stays_as_it_was(arena, n_arrays):
    """Also where some of the arrays still had room, and some lie in it already."""
    inside = arena.full(5000, 7, "u1")
    kept = [arena.alloc(1, keep="it"), arena.alloc(9000)]
    room = [arena.alloc(1) for _ in range(arena.stats().free - n_arrays + 1)]
    rows, stats = list(arena.buffers()), arena.stats()
    assert stats.free == n_arrays - 1
    sent = [inside, *kept, *(np.zeros(4096, "u1") for _ in range(n_arrays))]
    for _ in range(3):
        with pytest.raises(OutOfPages) as caught:
            arena.dumps(sent)
        assert caught.value.requested == 1
        assert (list(arena.buffers()), arena.stats()) == (rows, stats)
    arena.verify()
    del room
    assert len(arena.loads(arena.dumps(sent))) == n_arrays + 3


def test_what_cannot_be_pickled_leaves_nothing(arena, array):
    before = used(arena)
    for strange in (lambda: 0, memoryview(array)[::2]):
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as raised:
            arena.dumps([array, np.zeros(10_000), strange])
        assert (used(arena), arena.stats().tickets) == (before, 0)
    del raised


def test_a_child_of_a_fork_does_not_end_what_its_parent_is_sending(arena):
    unclaimed = arena._open.unclaimed().pack(arena, np.arange(5000), pickled, None)
    pid = os.fork()
    if not pid:
        unclaimed.end()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert arena.loads(unclaimed.handed())[-1] == 4999


def test_a_buffer_that_was_released_is_refused_and_the_others_withdrawn(arena, array):
    buffer = arena.alloc(10)
    buffer.release()
    with pytest.raises(ValueError, match="released"):
        arena.dumps([array, buffer])
    assert arena.stats().tickets == 0


def test_no_tickets_leave_nothing(arena):
    buffers = [arena.alloc(1) for _ in range(PAGES - 1)]
    last = arena.alloc(1)
    n = arena._attachment.layout.n_tickets // len(buffers)
    sent = [arena.dumps(buffers) for _ in range(n)]
    minted = len(sent) * len(buffers)
    with pytest.raises(OutOfTickets):
        arena.dumps(buffers)
    assert arena.stats().tickets == minted
    arena.loads(arena.dumps(last))
    assert arena.stats().tickets == minted


LARGE = [np.zeros(1000), np.zeros(5000), "x" * 10_000]


@pytest.mark.parametrize(
    ("n_free", "sent"), [(0, LARGE), (1, LARGE), (2, LARGE), (0, "x" * 10_000)]
)
def test_where_tickets_run_out_nothing_that_was_copied_in_stays(arena, n_free, sent):
    last = arena.alloc(1)
    for _ in range(arena._attachment.layout.n_tickets - n_free):
        pickle.dumps(last)
    before = arena.stats()
    with pytest.raises(OutOfTickets) as raised:
        dump(arena, sent, most=4096)
    # While the error is at hand, too.
    assert arena.stats() == before
    del raised


def test_a_data_frame_views_the_arena(arena):
    pandas = pytest.importorskip("pandas")
    sent = pandas.DataFrame({"x": np.arange(5000), "y": np.arange(5000) / 3})
    loaded = arena.loads(arena.dumps(sent))
    pandas.testing.assert_frame_equal(loaded, sent)
    assert used(arena) >= 20
    again = arena.dumps(loaded)
    assert used(arena) <= 22
    pandas.testing.assert_frame_equal(arena.loads(again), sent)
    del loaded
    gc.collect()
    assert used(arena) == 0


def test_an_arrow_table_views_the_arena(arena):
    arrow = pytest.importorskip("pyarrow")
    sent = arrow.table({"x": np.arange(5000), "text": [str(i) for i in range(5000)]})
    loaded = arena.loads(arena.dumps(sent))
    assert loaded.equals(sent)
    before = used(arena)
    assert before > 10
    # Its buffers do not say what they were made from; their addresses do.
    again = arena.loads(arena.dumps(loaded))
    assert used(arena) == before
    assert again.equals(sent)
    del loaded, again
    gc.collect()
    assert used(arena) == 0
