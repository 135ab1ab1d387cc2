"""What cannot be a queue is refused, and leaves nothing in the arena."""

from __future__ import annotations

import pytest

from pagebuddy import (
    CorruptMetadata,
    OutOfKeys,
    OutOfPages,
)
from pagebuddy.messages.layout import RingLayout
from pagebuddy.messages.opening import _new
from pagebuddy.sharing.joining.keeping import keep_under
from pagebuddy.sharing.words import FOR_QUEUES, TOPIC_DROP


def test_a_buffer_that_is_no_queue_is_refused(arena, used):
    buffer = arena.alloc(100_000, zero=True)
    keep_under(arena._open, "frames", FOR_QUEUES, buffer, False)
    before = used(arena)
    with pytest.raises(CorruptMetadata, match=r"buffer of a queue .*remove it with `arena.forget`"):
        arena.queue("frames")
    with pytest.raises(CorruptMetadata):
        arena.queue("frames", maxsize=5)
    assert used(arena) == before


def test_a_buffer_that_is_too_small_for_a_queue_is_refused(arena):
    keep_under(arena._open, "frames", FOR_QUEUES, arena.alloc(7), False)
    with pytest.raises(CorruptMetadata):
        arena.queue("frames")


def test_a_ring_of_another_kind_is_refused(arena, used):
    ring = _new(arena._open, RingLayout(TOPIC_DROP, 0, arena._open.layout.n_slots, 16, 4096))
    keep_under(arena._open, "frames", FOR_QUEUES, ring, False)
    before = used(arena)
    with pytest.raises(ValueError, match="'frames' is not a queue"):
        arena.queue("frames")
    assert used(arena) == before


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", ValueError),
        ("x" * 48, ValueError),
        ("ä", ValueError),
        ("a\0", ValueError),
        (5, TypeError),
    ],
)
def test_what_cannot_be_a_name_is_refused(arena, used, name, error):
    with pytest.raises(error, match=r"name|key"):
        arena.queue(name)
    assert used(arena) == (0, 0)


@pytest.mark.parametrize(
    ("maxsize", "error"),
    [
        (-1, ValueError),
        (1 << 32, ValueError),
        (1.5, TypeError),
        ("3", TypeError),
        (10**30, ValueError),
    ],
)
def test_what_cannot_be_a_maxsize_is_refused(arena, used, maxsize, error):
    for name in (None, "frames"):
        with pytest.raises(error, match="maxsize"):
            arena.queue(name, maxsize=maxsize)
    assert used(arena) == (0, 0)


@pytest.mark.parametrize(
    ("nbytes", "error"), [(-1, ValueError), ("many", ValueError), (1.5, TypeError)]
)
def test_what_cannot_be_a_size_is_refused(arena, used, nbytes, error):
    with pytest.raises(error, match="nbytes"):
        arena.queue(nbytes=nbytes)
    assert used(arena) == (0, 0)


def test_a_queue_that_has_no_room_in_the_arena_is_refused(arena, used):
    for n_bytes in ("4 MiB", "4 GiB", "4 PiB"):
        with pytest.raises((OutOfPages, ValueError)):
            arena.queue("frames", nbytes=n_bytes)
        with pytest.raises((OutOfPages, ValueError)):
            arena.queue(nbytes=n_bytes)
    assert used(arena) == (0, 0)
    assert arena.queue("frames").unlink()


def test_the_largest_maxsize_is_bounded_by_the_bytes(arena):
    queue = arena.queue(maxsize=(1 << 32) - 1)
    assert queue.maxsize == (1 << 32) - 1
    queue.put(1)
    assert queue.get() == 1
    assert not queue.full()


def test_a_queue_without_a_key_left_leaves_nothing(Arena, used):
    arena = Arena("4 MiB", keys=2)
    kept = [arena.alloc(1) for _ in range(2)]
    for number, buffer in enumerate(kept):
        buffer.keep(str(number))
    before = used(arena)
    with pytest.raises(OutOfKeys):
        arena.queue("frames")
    assert used(arena) == before
    with arena.queue() as queue:
        queue.put(1)
