"""Bodies: every object without a pickler is itself again, in both engines, and from one to the other."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pagebuddy import Arena as ChosenArena
from pagebuddy.buffers.bodies.words import BODY_ITEMS, BODY_PICKLE
from pagebuddy.exchange.delivery import unpack
from pagebuddy.exchange.dumping import pack
from tests.buffers.bodies.objects import INLINE, address_of, in_arena, told
from tests.conftest import ROOT
from tests.exchange.frames import frame_of


@pytest.fixture
def arena(Arena):
    return Arena("4 MiB")


@pytest.fixture
def both(name):
    """An arena of each engine, for the same memory."""
    engines = [
        pytest.importorskip(f"pagebuddy.{module}") for module in ("_compiled", "buffers.uncompiled")
    ]
    kinds = [type("Arena", (ChosenArena,), {"_engine": engine}) for engine in engines]
    first = kinds[0].create(name, "4 MiB", lock="file")
    return first, kinds[1].attach(name)


def through(arena, thing):
    """Pack an object and unpack it, without tickets."""
    body = pack(arena, thing)
    return unpack(arena._open, body.data, list(body.pages))


@pytest.mark.parametrize("make", INLINE.values(), ids=INLINE)
def test_an_object_without_buffers_needs_no_pickler(arena, make):
    thing = make()
    body = pack(arena, thing)
    assert body.data[0] == BODY_ITEMS
    assert (body.pages, body.shown) == ([], [])
    loaded = unpack(arena._open, body.data, [])
    if type(thing) is np.ndarray and not thing.flags.forc:
        writable = thing.flags.writeable
        thing = np.ascontiguousarray(thing)
        thing.flags.writeable = writable
    assert told(loaded) == told(thing)
    assert arena.stats().used == 0


def test_an_object_in_the_arena_stays_where_it_is(arena):
    for name, thing in in_arena(arena).items():
        before = arena.stats()
        body = pack(arena, thing)
        assert body.data[0] == BODY_ITEMS, name
        assert arena.stats() == before
        loaded = unpack(arena._open, body.data, list(body.pages))
        assert told(loaded) == told(thing), name
        assert address_of(loaded) == address_of(thing), name


def test_a_message_is_the_body_with_a_ticket_for_each_of_its_buffers(arena):
    for thing in in_arena(arena).values():
        frame = frame_of(arena.dumps(thing))
        body = pack(arena, thing)
        assert frame.body == body.data
        assert len(frame.tickets) == len(body.pages) == len(body.shown)
        assert frame.arena_id == arena._open.layout.arena_id
        assert told(arena.loads(bytes(frame))) == told(thing)


def test_both_engines_write_the_same_bytes_and_read_each_other(both):
    first, second = both
    for sender, receiver in (both, reversed(both)):
        for thing in [*(make() for make in INLINE.values()), *in_arena(sender).values()]:
            body = pack(sender, thing)
            loaded = receiver.loads(sender.dumps(thing))
            other = pack(receiver, loaded)
            # What was strided is not any more.
            if told(thing) == told(loaded):
                assert body.data == other.data
                assert body.shown == other.shown
            again = sender.loads(receiver.dumps(loaded))
            assert told(again) == told(loaded)
            assert address_of(again) == address_of(thing) or not body.pages
    del thing, loaded, again, body, other
    gc.collect()
    assert first.stats().used == second.stats().used == 0


PICKLED = {
    "a list in a list": lambda arena: [arena.zeros(5), [1]],
    "a set": lambda arena: {1},
    "a large int": lambda arena: 1 << 63,
    "256 items": lambda arena: list(range(256)),
    "a key with parts": lambda arena: {(1, 2): 3},
    "a subclass": lambda arena: [np.float64(2.5)],
    "times": lambda arena: arena.zeros(8).view("M8[s]"),
    "other bytes": lambda arena: arena.zeros(8).astype(">f8"),
    "metadata": lambda arena: np.zeros(2, np.dtype("i4", metadata={"unit": "m"})),
    "a structure": lambda arena: np.zeros(2, [("x", "f4")]),
    "objects": lambda arena: np.array([None, 1]),
    "a masked array": lambda arena: np.ma.masked_array(arena.zeros(2), [True, False]),
}


@pytest.mark.parametrize("make", PICKLED.values(), ids=PICKLED)
def test_every_other_object_is_pickled(arena, make):
    thing = make(arena)
    body = pack(arena, thing)
    assert body.data[0] == BODY_PICKLE
    loaded = unpack(arena._open, body.data, list(body.pages))
    assert type(loaded) is type(thing)
    assert repr(loaded) == repr(thing)


def test_what_is_larger_than_a_page_is_copied_in_once_everything_else_is_packed(arena):
    large = [
        np.arange(6000.0).reshape(60, 100),
        np.asfortranarray(np.arange(6000).reshape(60, 100)),
    ]
    large += [large[0][::2, ::-1], memoryview(bytes(range(256)) * 32), memoryview(large[0])]
    body = pack(arena, large)
    assert body.data[0] == BODY_ITEMS
    assert body.shown == [48000, 48000, 24000, 8192, 48000]
    assert arena.stats().used == 12 + 12 + 6 + 2 + 12
    loaded = unpack(arena._open, body.data, list(body.pages))
    assert [told(one)[-1] for one in loaded] == [told(one)[-1] for one in large]
    assert loaded[1].flags.f_contiguous
    assert loaded[2].flags.c_contiguous
    assert loaded[3].readonly
    del body, loaded
    gc.collect()
    # An item at the end that needs a pickler: then that alone copies.
    body = pack(arena, [*large[:2], {1}])
    assert body.data[0] == BODY_PICKLE
    assert arena.stats().used == 24


def test_the_same_object_twice_is_the_same_again(arena):
    array, text, runs = arena.zeros(700), "x" * 100, bytearray(b"y")
    sent = [array, text, runs, array, runs, text, array[:]]
    data = arena.dumps(sent)
    assert data.count(b"x" * 100) == 1
    loaded = arena.loads(data)
    assert loaded[0] is loaded[3]
    assert loaded[1] is loaded[5]
    assert loaded[2] is loaded[4]
    assert loaded[0] is not loaded[6]
    by_name = arena.loads(arena.dumps({"a": array, "b": array, "c": array.T}))
    assert by_name["a"] is by_name["b"] is not by_name["c"]


def test_buffers_arrive_as_long_as_they_are_whatever_part_was_sent(arena):
    array = arena.zeros(5000, "u1")
    for thing in (array[:10], memoryview(array[:10]), [array[:10], {1}]):
        loaded = arena.loads(arena.dumps(thing))
        part = loaded[0] if type(loaded) is list else loaded
        assert arena.buffer_of(part).nbytes == 5000


def test_a_receiver_may_ask_for_all_bytes_read_only(arena):
    buffer = arena.alloc(5000)
    for contents in ([], [{1}]):
        sent = [arena.zeros(9), buffer.view, np.zeros(3), memoryview(bytearray(3)), *contents]
        for told_by_sender in (True, False):
            body = pack(arena, sent, readonly=told_by_sender)
            loaded = unpack(arena._open, body.data, list(body.pages), readonly=not told_by_sender)
            if contents and not told_by_sender:
                # What is inline in a pickle, only its sender can protect.
                del loaded[2:4]
            assert not any(
                one.flags.writeable if isinstance(one, np.ndarray) else not one.readonly
                for one in loaded[:4]
                if isinstance(one, (np.ndarray, memoryview))
            )


def test_the_pages_are_held_by_what_was_unpacked_alone(arena):
    body = pack(arena, {"x": np.arange(5000)})
    pages = list(body.pages)
    loaded = unpack(arena._open, body.data, pages)
    assert pages == []
    del body
    part = loaded["x"][:1]
    del loaded
    assert arena.stats().used == 10
    del part
    assert arena.stats().used == 0


def test_a_released_buffer_is_refused(arena):
    buffer = arena.alloc(10)
    buffer.release()
    for thing in (buffer, [1, buffer], [buffer, {1}]):
        with pytest.raises(ValueError, match="released"):
            pack(arena, thing)


def test_a_buffer_of_another_arena_ends_with_a_body_that_was_not_handed_over(arena, Arena):
    other = Arena("1 MiB")
    buffer = other.alloc(5000)
    for handed in (False, True):
        body = pack(arena, [arena.zeros(9), buffer])
        assert (arena.stats().tickets, other.stats().tickets) == (0, 1)
        data, pages = body.data, list(body.pages)
        if handed:
            body.handed()
        del body
        gc.collect()
        assert other.stats().tickets == handed
    loaded = unpack(arena._open, data, list(pages))
    assert loaded[1].offset == buffer.offset
    with pytest.raises(Exception, match="claimed or withdrawn"):
        unpack(arena._open, data, pages)
    assert pages == []


@pytest.mark.parametrize("kind", [">M8[s]", ">m8[ms]"])
def test_times_in_another_byte_order_keep_it(arena, kind):
    # In pages of its own; numpy pickles a small array, with the same times in this machine's byte order.
    times = np.arange(3000).astype(kind)
    loaded = through(arena, times)
    assert (loaded.dtype.str, loaded.tobytes()) == (kind, times.tobytes())


def test_bodies_and_what_makes_them_are_neither_copied_nor_pickled(arena):
    for thing in (pack(arena, 1), arena._open.unclaimed()):
        for way in (copy.copy, pickle.dumps):
            if type(thing).__module__ == "pagebuddy._compiled":
                with pytest.raises(TypeError):
                    way(thing)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
)
ARRAYS = arrays.arrays(
    arrays.scalar_dtypes(), arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)
)
ITEMS = SCALARS | ARRAYS | st.binary().map(bytearray)
OBJECTS = ITEMS | st.lists(ITEMS) | st.lists(ITEMS).map(tuple) | st.dictionaries(SCALARS, ITEMS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_any_object_is_what_its_pickle_is(arena, data):
    thing = data.draw(OBJECTS)
    expected = pickle.loads(pickle.dumps(thing, 5))
    assert told(through(arena, thing)) == told(expected)
    assert told(arena.loads(arena.dumps(thing))) == told(expected)


@pytest.mark.one_engine
def test_without_the_c_interface_of_numpy_the_bytes_are_the_same(arena, engine):
    if engine != "compiled":
        pytest.skip("uncompiled, numpy is asked without C")
    script = """
import sys
sys.modules["pagebuddy._numpy"] = None
from pagebuddy import Arena
from pagebuddy.exchange.delivery import unpack
from pagebuddy.exchange.dumping import pack
from tests.buffers.bodies.objects import INLINE, address_of, in_arena, told
arena = Arena("4 MiB")
for name, thing in [*((name, make()) for name, make in INLINE.items()), *in_arena(arena).items()]:
    body = pack(arena, thing)
    loaded = unpack(arena._open, body.data, list(body.pages))
    assert address_of(loaded) == address_of(thing) or not body.pages, name
    print(name, body.data.hex(), body.shown, sep=":")
"""
    told_there = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    things = [*((name, make()) for name, make in INLINE.items()), *in_arena(arena).items()]
    bodies = [(name, pack(arena, thing)) for name, thing in things]
    lines = [f"{name}:{body.data.hex()}:{body.shown}" for name, body in bodies]
    assert told_there.splitlines() == lines
