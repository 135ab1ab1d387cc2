"""Frames: what was told is read again, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy.exchange.frame import Frame, Part, alone, read_alone

FRAMES = st.builds(
    lambda arena_id, handles, places, pickle: Frame(
        arena_id,
        handles,
        [Part(at % len(handles), start, stop) for at, start, stop in places] if handles else [],
        pickle,
    ),
    st.integers(0, 2**128 - 1),
    st.lists(st.binary(max_size=80), max_size=5),
    st.lists(st.tuples(st.integers(0, 100), *[st.integers(0, 2**64 - 1)] * 2), max_size=5),
    st.binary(max_size=100),
)

SOME = bytes(Frame(7, [b"one", b"two"], [Part(0, 0, 9), Part(1, 0, 0)], b"pickle"))


@given(FRAMES)
def test_a_frame_is_read_as_it_was_told(frame):
    read = Frame.read(bytes(frame))
    assert (read.arena_id, read.handles, read.parts) == (
        frame.arena_id,
        frame.handles,
        frame.parts,
    )
    assert bytes(read.pickle) == frame.pickle
    assert not read.outside


def test_a_frame_that_lies_in_the_arena_says_so():
    assert Frame.read(bytes(Frame(7, [b"one"], outside=True))).outside


@given(st.integers(0, 2**128 - 1), st.binary(max_size=100))
def test_a_frame_without_handles_is_the_same_by_the_short_way(arena_id, pickle):
    told = bytes(Frame(arena_id, [], [], pickle))
    assert alone(arena_id, pickle) == told
    assert bytes(read_alone(arena_id, told)) == pickle


ALONE = alone(7, b"pickle")
NOT_ALONE = {
    "with a handle": SOME,
    "outside": bytes(Frame(7, [b"one"], outside=True)),
    "of another arena": alone(8, b"pickle"),
    "with bytes behind it": ALONE + b"!",
    "no bytes": bytearray(ALONE),
    "nothing": b"",
} | {f"cut to {n}": ALONE[:n] for n in (11, 47, 51, 52, len(ALONE) - 1)}


@pytest.mark.parametrize("data", NOT_ALONE.values(), ids=NOT_ALONE)
def test_the_short_way_leaves_all_else_to_the_long_one(data):
    assert read_alone(7, data) is None


@pytest.mark.parametrize("at", range(len(ALONE)))
def test_the_short_way_does_not_take_a_frame_with_a_byte_changed(at):
    changed = bytearray(ALONE)
    changed[at] ^= 1
    assert read_alone(7, bytes(changed)) is None


@pytest.mark.parametrize("length", range(len(SOME)))
def test_a_frame_cut_short_is_refused(length):
    with pytest.raises(ValueError, match=r"not made by|cut or changed"):
        Frame.read(SOME[:length])


@pytest.mark.parametrize("at", range(len(SOME)))
def test_a_frame_with_a_byte_changed_is_refused(at):
    changed = bytearray(SOME)
    changed[at] ^= 1
    with pytest.raises(ValueError, match=r"not made by|cut or changed"):
        Frame.read(changed)


def test_a_frame_with_bytes_behind_it_is_refused():
    with pytest.raises(ValueError, match="cut or changed"):
        Frame.read(SOME + b"!")


@pytest.mark.parametrize(
    "frame",
    [
        Frame(7, [b"one"], [Part(1, 0, 9)]),
        Frame(7, [], outside=True),
        Frame(7, [b"one", b"two"], outside=True),
    ],
    ids=["a part of no handle", "outside without a handle", "outside with two"],
)
def test_a_frame_that_contradicts_itself_is_refused(frame):
    with pytest.raises(ValueError, match="contradict"):
        Frame.read(bytes(frame))


@pytest.mark.parametrize("thing", [None, 7, "text", [1]])
def test_what_is_no_bytes_is_no_frame(thing):
    with pytest.raises(TypeError):
        Frame.read(thing)
