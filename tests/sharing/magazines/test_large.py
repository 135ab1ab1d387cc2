"""A magazine also has a few large rounds, whose bytes are limited. Else they are as small ones."""

from __future__ import annotations

import pickle
import sys

import pytest

from pagebuddy.sharing.words import (
    MAGAZINE_WORDS,
    MOST_LARGE_BYTES,
    MOST_LARGE_ROUNDS,
    MOST_SMALL_PAGES,
    round_of,
    size_in,
    size_of_round,
)
from tests.sharing.magazines.sizes import LARGE_ARENA, LARGEST, PAGE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="robust mutexes are Linux's")


@pytest.fixture
def n_pages():
    """The pages of the arena: large enough for large rounds."""
    return LARGE_ARENA


@pytest.mark.parametrize(
    ("size", "page_size", "most"),
    [
        (1 << 20, PAGE, MOST_SMALL_PAGES),
        (LARGE_ARENA * PAGE, PAGE, LARGEST),
        (64 << 20, PAGE, MOST_LARGE_BYTES // PAGE),
        (256 << 20, PAGE, MOST_LARGE_BYTES // PAGE),
        (64 << 20, 64, MOST_LARGE_BYTES // 64),
        (64 << 20, 1 << 20, MOST_SMALL_PAGES),
    ],
)
def test_a_large_round_is_limited_in_bytes_and_by_its_share_of_the_arena(
    silent, Arena, engine, rounds_of, size, page_size, most
):
    if engine == "uncompiled":
        pytest.skip("the uncompiled engine has no mutex, and no magazines")
    arena = Arena(size, page_size=page_size)
    arena.alloc((most + 1) * page_size)
    assert rounds_of(arena) == []
    at = arena.alloc(most * page_size).offset
    assert len(rounds_of(arena)) == 1
    assert arena.alloc(most * page_size).offset == at


def test_a_large_round_of_another_length_is_not_used(arena, rounds_of):
    """A round tells 18 pages from 20 only by its buffer's record."""
    assert size_of_round(18) == size_of_round(20)
    longer = arena.alloc(20 * PAGE).offset
    for n in (18, 19, 21):
        buffer = arena.alloc(n * PAGE)
        assert buffer.offset != longer
        assert longer in rounds_of(arena)
        buffer.keep(True)
    assert arena.alloc(20 * PAGE).offset == longer


def test_a_buffer_that_grew_is_a_round_of_its_new_length(arena, rounds_of):
    buffer = arena.alloc(18 * PAGE)
    offset = buffer.offset
    assert buffer.resize(25 * PAGE)
    buffer.release()
    del buffer
    assert rounds_of(arena) == [offset]
    shorter = arena.alloc(18 * PAGE)
    assert shorter.offset != offset
    again = arena.alloc(25 * PAGE)
    assert (again.offset, again.capacity) == (offset, 25 * PAGE)


def test_large_buffers_that_do_not_fit_the_magazine_are_freed(arena, rounds_of):
    small = [arena.alloc(PAGE) for _ in range(3)]
    large = [arena.alloc(20 * PAGE) for _ in range(MOST_LARGE_ROUNDS + 1)]
    kept = [buffer.offset for buffer in small]
    some = [buffer.offset for buffer in large]
    while small:
        del small[0]
    while len(large) > 1:
        del large[0]
    assert rounds_of(arena) == sorted(kept + some[:-1])
    del large
    assert rounds_of(arena) == sorted(kept + some[:-1])
    assert arena.stats().used == 0


def test_a_large_buffer_of_another_size_pushes_out_the_large_rounds_but_no_small_one(
    arena, rounds_of
):
    small = [arena.alloc(PAGE) for _ in range(3)]
    large = [arena.alloc(20 * PAGE) for _ in range(MOST_LARGE_ROUNDS)]
    kept = sorted(buffer.offset for buffer in small)
    while small:
        del small[0]
    del large
    assert len(rounds_of(arena)) == 3 + MOST_LARGE_ROUNDS
    arena.alloc(30 * PAGE)
    assert rounds_of(arena) == kept
    offset = arena.alloc(30 * PAGE).offset
    assert rounds_of(arena) == sorted([*kept, offset])


def test_a_process_that_only_receives_large_buffers_caches_none(arena, start, rounds_of):
    def receiving(child):
        buffer = pickle.loads(bytes.fromhex(child.hear()))
        child.say("received")
        child.hear()
        del buffer
        child.say(len(rounds_of(arena, 2)))
        arena.alloc(20 * PAGE)
        child.say(len(rounds_of(arena, 2)))

    other = start(receiving)
    buffer = arena.alloc(20 * PAGE)
    other.say(pickle.dumps(buffer).hex())
    assert other.hear() == "received"
    del buffer
    assert rounds_of(arena, 1) == []
    other.say("drop it")
    assert (other.hear(), other.hear()) == ("0", "1")
    assert other.wait() == 0


def test_small_rounds_push_large_ones_out_of_a_full_magazine(arena, rounds_of):
    large = arena.alloc(20 * PAGE)
    small = [arena.alloc(PAGE) for _ in range(MAGAZINE_WORDS)]
    at = large.offset
    del large
    while small:
        del small[0]
    assert len(rounds_of(arena)) <= MAGAZINE_WORDS
    assert at not in rounds_of(arena)
    assert arena.stats().used == 0


def test_sizes_of_rounds_are_in_order_and_fit_their_bits():
    sizes = [size_of_round(n) for n in range(1, (MOST_LARGE_BYTES >> 6) + 1)]
    assert sizes == sorted(sizes)
    assert sizes[: MOST_SMALL_PAGES + 1] == list(range(1, MOST_SMALL_PAGES + 2))
    assert sizes[-1] < 32
    for n in (1, MOST_SMALL_PAGES, MOST_SMALL_PAGES + 1, 256, MOST_LARGE_BYTES >> 6):
        assert size_in(round_of(0x7FFF_FFFF, 1 << 63 | n << 32 | 0xFFFF_FFFF)) == size_of_round(n)
