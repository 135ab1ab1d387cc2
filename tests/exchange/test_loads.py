"""loads: of what dumps made, once, and nothing stays held where it fails."""

from __future__ import annotations

import gc
import pickle
import random

import numpy as np
import pytest

from pagebuddy import ArenaClosed, StaleHandle
from pagebuddy.exchange.dumping import call_back, dump
from pagebuddy.sharing.words import OP_WITHDRAW
from tests.exchange.frames import frame_of


@pytest.fixture
def arena(Arena):
    return Arena("4 MiB")


class Refuses:
    """What cannot be unpickled, having seen what it is made of."""

    def __init__(self, contents):
        self.contents = contents

    def __reduce__(self):
        return refuse, (self.contents,)


def refuse(contents):
    del contents
    raise RuntimeError("refused")


def nothing_left(arena):
    gc.collect()
    return arena.stats().used == arena.stats().tickets == 0


@pytest.mark.parametrize("foreign", [b"", b"hello", pickle.dumps([1]), bytes(1000)])
def test_what_dumps_did_not_make_is_refused(arena, foreign):
    with pytest.raises(ValueError, match="not made by"):
        arena.loads(foreign)


def refused(arena, data):
    """Such bytes are refused; nothing is claimed, and nothing unpickled."""
    with pytest.raises(ValueError, match=r"not made by|cut or changed"):
        arena.loads(data)


def test_what_was_cut_or_changed_is_refused_and_can_be_loaded_as_it_was(arena):
    data = arena.dumps([np.arange(5000), arena.alloc(10), "text"])
    for length in range(len(data)):
        refused(arena, data[:length])
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            refused(arena, changed)
    assert arena.stats().tickets == 2
    assert arena.loads(data)[0].sum() == 12497500
    assert nothing_left(arena)


def test_bytes_by_chance_are_refused(arena):
    chance = random.Random(7)
    start = arena.dumps([1, 2])
    for length in (*range(1, 200), 4096, 100_000):
        refused(arena, chance.randbytes(length))
        refused(arena, start[:8] + chance.randbytes(length))
        refused(arena, start + chance.randbytes(length))
    assert nothing_left(arena)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_will_do(arena, kind):
    assert arena.loads(kind(arena.dumps([1, 2]))) == [1, 2]


def test_what_was_loaded_before_is_stale(arena):
    data = arena.dumps(np.arange(5000))
    first = arena.loads(data)
    with pytest.raises(StaleHandle):
        arena.loads(data)
    assert first.sum() == 12497500


def test_what_was_reaped_is_stale_and_the_rest_of_it_ends(arena):
    old = arena.dumps(np.arange(5000))
    arena.reap(unclaimed_after=0)
    with pytest.raises(StaleHandle):
        arena.loads(old)
    assert nothing_left(arena)


def test_where_one_ticket_is_gone_none_of_the_others_stays(arena):
    arrays = [np.arange(5000) for _ in range(3)]
    data = arena.dumps(arrays)
    index, serial = frame_of(data).tickets[1]
    a = arena._open
    a.perform(a.request(ticket_index=index, serial=serial), OP_WITHDRAW)
    with pytest.raises(StaleHandle) as raised:
        arena.loads(data)
    # While the error is at hand, too.
    assert nothing_left(arena)
    del raised


def test_bytes_of_another_arena_are_stale(arena, Arena):
    other = Arena("1 MiB")
    data = other.dumps(np.arange(5000))
    with pytest.raises(StaleHandle, match="another arena"):
        arena.loads(data)
    assert other.loads(data).sum() == 12497500


def test_where_unpickling_fails_nothing_stays_held(arena):
    data = arena.dumps([np.arange(5000), arena.alloc(10), Refuses(np.arange(6000))])
    gc.collect()
    assert arena.stats().tickets == 3
    with pytest.raises(RuntimeError, match="refused") as raised:
        arena.loads(data)
    assert nothing_left(arena)
    del raised


def test_a_closed_arena_neither_dumps_nor_loads(arena):
    data = arena.dumps([1])
    arena.close()
    with pytest.raises(ArenaClosed):
        arena.loads(data)
    with pytest.raises(ArenaClosed):
        arena.dumps([1])
    with pytest.raises(ArenaClosed):
        arena.queue()


def test_what_is_loaded_outlives_the_arena_object(arena):
    loaded = arena.loads(arena.dumps(np.arange(5000)))
    arena.close()
    gc.collect()
    assert loaded.sum() == 12497500


LONG = ["x" * 100_000, np.arange(5000)]


def test_a_long_message_lies_in_the_arena(arena):
    data = dump(arena, LONG, most=4096)
    assert len(data) < 200
    assert arena.stats().tickets == 2
    text, array = arena.loads(data)
    assert text == LONG[0]
    assert array.sum() == 12497500
    del array
    assert nothing_left(arena)


@pytest.mark.parametrize("most", [None, 4096])
def test_what_is_called_back_leaves_nothing(arena, most):
    data = dump(arena, LONG, most=most)
    call_back(arena._open, data)
    assert nothing_left(arena)
    with pytest.raises(StaleHandle):
        arena.loads(data)
    call_back(arena._open, data)


def test_what_was_delivered_is_not_called_back(arena):
    data = dump(arena, LONG, most=4096)
    loaded = arena.loads(data)
    call_back(arena._open, data)
    assert loaded[1].sum() == 12497500


def test_a_message_can_be_unpacked_until_it_is_closed(arena):
    message = arena._open.unclaimed()
    message.take(arena.dumps(np.arange(5000)))
    message.open()
    assert (arena.stats().used, arena.stats().tickets) == (10, 0)
    for _ in range(2):
        assert message.unpacked().sum() == 12497500
    message.close()
    assert nothing_left(arena)
    with pytest.raises(ValueError, match="ended"):
        message.unpacked()
