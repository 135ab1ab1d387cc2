"""Bytes that nobody packed: an error or an object within its pages, and nothing stays held."""

from __future__ import annotations

import gc
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pagebuddy import StaleHandle
from pagebuddy.buffers.bodies.words import BODY_ITEMS, BODY_PICKLE, IS_BUFFER
from pagebuddy.exchange.delivery import unpack
from pagebuddy.exchange.dumping import dump, pack
from tests.buffers.bodies.objects import INLINE, in_arena
from tests.exchange.frames import Frame, frame_of


@pytest.fixture
def arena(Arena):
    return Arena("1 MiB")


def looked_at(thing):
    """Read the corners of everything in an object. It may be larger than memory."""
    if isinstance(thing, np.ndarray):
        for corner in (0, -1):
            if thing.size:
                thing[(corner,) * thing.ndim].tobytes()
    elif isinstance(thing, memoryview):
        thing.tobytes()
    elif isinstance(thing, dict):
        looked_at(list(thing) + list(thing.values()))
    elif isinstance(thing, (tuple, list)):
        for each in thing:
            looked_at(each)
    elif hasattr(thing, "offset"):
        looked_at(thing.view)


def unpack_or_refuse(arena, data, pages, errors=ValueError):
    """Unpack bytes; nothing but these errors may be raised. Return whether there was an object."""
    held = list(pages)
    try:
        looked_at(unpack(arena._open, data, held))
    except errors:
        return False
    finally:
        assert held == []
    return True


def bodies_of(arena):
    for make in INLINE.values():
        thing = make()
        if not isinstance(thing, (str, bytes, list)) or len(thing) < 100:
            yield pack(arena, thing)
    for thing in in_arena(arena).values():
        yield pack(arena, thing)


def test_a_body_with_any_bit_flipped_is_refused_or_an_object(arena, effort):
    bodies = list(bodies_of(arena))
    before = arena.stats().used
    stride = effort.pick(13, 1, 1)
    n_refused = n_unpacked = 0
    for body in bodies:
        data = body.data
        for at in range(effort.seed % stride, 8 * len(data), stride):
            changed = bytearray(data)
            changed[at // 8] ^= 1 << at % 8
            if unpack_or_refuse(arena, bytes(changed), body.pages):
                n_unpacked += 1
            else:
                n_refused += 1
    assert n_refused > n_unpacked / 4
    assert n_unpacked > n_refused / 4
    gc.collect()
    assert arena.stats().used == before


def test_a_body_that_was_cut_or_is_too_long_is_refused(arena):
    for body in bodies_of(arena):
        data = body.data
        for length in range(0, len(data), 1 + len(data) // 50):
            assert not unpack_or_refuse(arena, data[:length], body.pages)
        assert not unpack_or_refuse(arena, data + b"\0", body.pages)
        if body.pages:
            assert not unpack_or_refuse(arena, data, body.pages[1:])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.binary(max_size=60),
    st.sampled_from([b"", b"\2\0", b"\2\0\0\1", b"\2\0\0\1\13", b"\2\0\3\2"]),
)
def test_bytes_by_chance_are_refused_or_an_object(arena, chance, start):
    buffer = pack(arena, arena.zeros(3000))
    unpack_or_refuse(arena, start + chance, buffer.pages)


SIDE = struct.Struct("=q")


def array_body(index, first, sides, strides, *, flags=2, letter=b"u", item=1, n=None, inline=None):
    """The body of an array with these numbers."""
    data = struct.pack("=BBBBB", BODY_ITEMS, 0, 0, 1, 11)
    data += struct.pack("=BcBB", flags, letter, item, len(sides) if n is None else n)
    data += b"" if inline is not None else struct.pack("=IQ", index, first)
    data += b"".join(SIDE.pack(number) for number in (*sides, *strides))
    return data if inline is None else data + struct.pack("=Q", len(inline)) + inline


MOST = (1 << 63) - 1
REFUSED = {
    "behind the pages": array_body(0, 8192, [1], [1]),
    "a byte too long": array_body(0, 1, [8192], [1]),
    "before the pages": array_body(0, 10, [12], [-1]),
    "both ways": array_body(0, 10, [11, 8192], [-1, 1]),
    "an overflow of sides": array_body(0, 0, [1 << 62, 4], [0, 0]),
    "an overflow of bytes": array_body(0, 0, [1 << 60], [0], letter=b"f", item=8),
    "a stride too large": array_body(0, 0, [2], [MOST]),
    "the least stride": array_body(0, 0, [2], [-MOST - 1]),
    "a sum that overflows": array_body(0, 0, [3, 3], [1 << 62, 1 << 62]),
    "the last position": array_body(0, (1 << 64) - 1, [1], [1]),
    "a negative side": array_body(0, 0, [-1], [1]),
    "other pages": array_body(1, 0, [1], [1]),
    "the last pages": array_body((1 << 32) - 1, 0, [1], [1]),
    "33 sides": array_body(0, 0, [1] * 33, [1] * 33),
    "255 sides": array_body(0, 0, [1], [1], n=255),
    "no such number": array_body(0, 0, [1], [1], letter=b"f", item=3),
    "an object": array_body(0, 0, [1], [8], letter=b"O", item=8),
    "no bytes in an item": array_body(0, 0, [1], [1], item=0),
    "too few inline": array_body(0, 0, [9], [1], flags=1, inline=b"12345678"),
    "inline and backwards": array_body(0, 0, [2], [-1], flags=3, inline=b"12345678"),
    "no kind": b"",
    "a kind that is none": b"\3\0\0\1\0",
    "a flag that is none": b"\2\2\0\1\0",
    "a container that is none": b"\2\0\4\0",
    "two items in none": b"\2\0\0\2\0\0",
    "no item in none": b"\2\0\0\0",
    "a tag that is none": b"\2\0\0\1\15",
    "the same as itself": b"\2\0\2\1\11\0",
    "a key that has parts": b"\2\0\3\1\10" + bytes(8) + b"\0",
    "text that is none": b"\2\0\0\1\6\1\0\0\0\0\0\0\0\xff",
    "text of all bytes there are": b"\2\0\0\1\6" + b"\xff" * 8,
    "a view of another format": b"\2\0\0\1\14\3\x3f\1\1" + SIDE.pack(1) * 2 + b"\2?",
    "a view of no format": b"\2\0\0\1\14\3\1\1\1" + SIDE.pack(1) * 2 + b"\2",
    "a view behind the pages": b"\2\0\0\1\14\2\x42\1\1" + bytes(4) + SIDE.pack(1) + SIDE.pack(8192),
    "a Buffer longer than its pages": b"\2\0\0\1\12" + bytes(4) + SIDE.pack(8193),
    "parts without pages": struct.pack("=BBHII", BODY_PICKLE, 0, 0, 0, 1)
    + struct.pack("=IQQ", 1, 0, 9),
    "a part behind the pages": struct.pack("=BBHIIIQQ", BODY_PICKLE, 0, 0, 0, 1, 0, 0, 8193),
    "a part that ends early": struct.pack("=BBHIIIQQ", BODY_PICKLE, 0, 0, 0, 1, 0, 9, 8),
    "a long Buffer": struct.pack("=BBHIIIQQ", BODY_PICKLE, 0, 0, 0, 1, 0, IS_BUFFER, 8193),
    "many parts": struct.pack("=BBHII", BODY_PICKLE, 0, 0, 0, (1 << 32) - 1),
    "many handles": struct.pack("=BBHII", BODY_PICKLE, 0, 0, (1 << 32) - 1, 0),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_a_body_that_refers_to_what_is_not_there_is_refused(arena, data):
    pages = pack(arena, arena.zeros(8192, "u1")).pages
    with pytest.raises(ValueError, match=r"."):
        looked_at(unpack(arena._open, data, list(pages)))
    gc.collect()
    assert arena.stats().used == 2


def test_what_a_body_may_refer_to_ends_where_the_sender_says(arena):
    buffer = arena.alloc(5000)
    body = pack(arena, buffer)
    assert unpack_or_refuse(arena, array_body(0, 0, [5000], [1]), body.pages)
    assert not unpack_or_refuse(arena, array_body(0, 0, [5001], [1]), body.pages)


def test_a_handle_in_a_body_that_is_none_is_stale(arena):
    data = struct.pack("=BBHIIH", BODY_PICKLE, 0, 0, 1, 0, 3) + b"abc" + b"N."
    with pytest.raises(StaleHandle):
        unpack(arena._open, data, [])


@pytest.mark.parametrize("thing", [None, 7, "text", [1]])
def test_what_has_no_bytes_is_refused(arena, thing):
    with pytest.raises(TypeError):
        unpack(arena._open, thing, [])
    with pytest.raises(TypeError):
        arena.loads(thing)


def test_a_frame_that_contradicts_itself_is_refused_and_its_buffers_stay(arena):
    frame = frame_of(arena.dumps(arena.zeros(3000)))
    body, ticket = frame.body, frame.tickets[0]
    bad = {
        "outside with a body": frame._replace(outside=True),
        "outside without a ticket": Frame(frame.arena_id, [], b"", True),
        "outside with two": Frame(frame.arena_id, [ticket] * 2, b"", True),
        "a flag that is none": frame._replace(outside=2),
    }
    for one in bad.values():
        with pytest.raises(ValueError, match="contradict"):
            arena.loads(bytes(one))
    for n in (5, 1 << 31):
        changed = bytearray(bytes(frame))
        changed[32:36] = n.to_bytes(4, "little")
        changed[8:12] = Frame.checksum_of(changed)
        with pytest.raises(ValueError, match="contradict"):
            arena.loads(bytes(changed))
    for version in (1, 3):
        with pytest.raises(ValueError, match=f"have version {version}, but .* version 2"):
            arena.loads(bytes(frame._replace(version=version)))
    assert arena.stats().tickets == 1
    assert arena.loads(bytes(frame._replace(body=body))).size == 3000


def test_a_frame_of_tickets_that_do_not_exist_is_stale_and_the_others_end(arena):
    frame = frame_of(arena.dumps([arena.zeros(3000), arena.zeros(10)]))
    for ticket in ((1 << 32) - 1, 1), (0, 1 << 63), (0, 0):
        with pytest.raises(StaleHandle):
            arena.loads(bytes(frame._replace(tickets=[ticket])))
    with pytest.raises(StaleHandle):
        arena.loads(bytes(frame._replace(tickets=[*frame.tickets, (0, 0)])))
    gc.collect()
    assert arena.stats().used == arena.stats().tickets == 0


def test_a_body_with_too_few_tickets_is_refused_and_nothing_is_held(arena):
    frame = frame_of(arena.dumps([arena.zeros(3000), arena.zeros(10)]))
    with pytest.raises(ValueError, match="contradict"):
        arena.loads(bytes(frame._replace(tickets=frame.tickets[:1])))
    arena.reap(unclaimed_after=0)
    gc.collect()
    assert arena.stats().used == 0


@pytest.mark.parametrize("what", ["a frame outside", "no frame", "nothing"])
def test_a_frame_in_the_arena_may_be_anything(arena, what):
    outer = frame_of(dump(arena, "x" * 5000, most=4096))
    inner = arena.alloc(200)
    told = (
        bytes(Frame(outer.arena_id, outer.tickets, b"", True))
        if what == "a frame outside"
        else b"x"
    )
    inner.view[: len(told)] = told
    ticket = frame_of(arena.dumps(inner if what != "nothing" else arena.alloc(1))).tickets[0]
    del inner
    with pytest.raises(ValueError, match=r"contradict|not made|changed"):
        arena.loads(bytes(outer._replace(tickets=[ticket])))
    arena.reap(unclaimed_after=0)
    gc.collect()
    assert arena.stats().used == 0
