"""A magazine also has a few large rounds, whose bytes are limited."""

from __future__ import annotations

import os
import pickle
import sys
from contextlib import suppress

import pytest

from pagebuddy import BadFree, CorruptMetadata, OutOfPages
from pagebuddy.sharing.words import (
    LARGE_SHARE,
    MAGAZINE_WORDS,
    MOST_LARGE_BYTES,
    MOST_LARGE_ROUNDS,
    MOST_SMALL_PAGES,
    SLOT_MAGAZINE,
    SLOT_WORDS,
    round_of,
    size_in,
    size_of_round,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="robust mutexes are Linux's")

PAGE = 4096
# Of the arena below.
N_PAGES = 4096
LARGEST = N_PAGES >> LARGE_SHARE


@pytest.fixture
def arena(silent, Arena, engine):
    """An arena that is large enough for large rounds. It is verified at the end of the test."""
    if engine == "uncompiled":
        pytest.skip("the uncompiled engine has no mutex, and no magazines")
    arena = Arena(N_PAGES * PAGE)
    yield arena
    arena.reap(unclaimed_after=0)
    arena.verify()


@pytest.mark.parametrize("n", [MOST_SMALL_PAGES + 1, LARGEST])
def test_a_large_buffer_is_allocated_again_with_stores_to_the_magazine_only(
    arena, n, rounds_of, words_but_magazines
):
    offset = arena.alloc(n * PAGE).offset
    assert rounds_of(arena) == [offset]
    before = words_but_magazines(arena)
    for _ in range(100):
        buffer = arena.alloc(n * PAGE)
        assert buffer.offset == offset
        assert rounds_of(arena) == []
        del buffer
        assert rounds_of(arena) == [offset]
    assert words_but_magazines(arena) == before


@pytest.mark.parametrize(
    ("size", "page_size", "most"),
    [
        (1 << 20, PAGE, MOST_SMALL_PAGES),
        (N_PAGES * PAGE, PAGE, LARGEST),
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


def test_large_rounds_are_free_to_all_observers(arena, rounds_of):
    for look, seen in (
        (lambda: (arena.stats().used, arena.stats().largest_free), (0, N_PAGES)),
        (lambda: len(list(arena.buffers())), 0),
        (lambda: arena.processes()[0].nbytes, 0),
        (arena.verify, None),
        (arena.trim, LARGEST * PAGE),
    ):
        arena.alloc(LARGEST * PAGE).view[:] = b"\x11" * LARGEST * PAGE
        assert len(rounds_of(arena)) == 1
        assert look() == seen
        assert rounds_of(arena) == []


@pytest.mark.parametrize("options", [{}, {"align": PAGE}, {"zero": True}])
def test_large_rounds_of_others_cannot_make_an_allocation_fail(arena, start, options, rounds_of):
    def dropping(child):
        buffers = [arena.alloc(LARGEST * PAGE) for _ in range(MOST_LARGE_ROUNDS)]
        del buffers
        child.say(len(rounds_of(arena, 2)))
        child.hear()

    other = start(dropping)
    assert other.hear() == str(MOST_LARGE_ROUNDS)
    everything = arena.alloc(arena.size, **options)
    assert everything.capacity == arena.size
    assert rounds_of(arena, 2) == []
    with pytest.raises(OutOfPages):
        arena.alloc(1)


def test_a_buffer_grows_into_a_large_round(arena, rounds_of):
    first = arena.alloc((N_PAGES - LARGEST) * PAGE)
    assert first.offset == 0
    offset = arena.alloc(LARGEST * PAGE).offset
    assert rounds_of(arena) == [offset]
    assert first.resize(arena.size)
    assert rounds_of(arena) == []


def test_large_rounds_of_dead_processes_are_reaped(arena, start, rounds_of):
    def dropping(child):
        arena.alloc(LARGEST * PAGE)
        child.say(len(rounds_of(arena, 2)))
        child.hear()
        os._exit(0)

    other = start(dropping)
    assert other.hear() == "1"
    other.kill()
    assert arena.reap() == 1
    assert rounds_of(arena, 2) == []
    assert arena.stats().used == 0


def test_a_large_round_is_not_found_by_its_offset(arena, rounds_of):
    offset = arena.alloc(LARGEST * PAGE).offset
    assert rounds_of(arena) == [offset]
    with pytest.raises(BadFree, match="there is no buffer at page"):
        arena.buffer_at(offset)
    assert rounds_of(arena) == []


def test_every_flipped_bit_of_a_large_round_is_found_or_harmless(arena, slot_words, rounds_of):
    held = [arena.alloc(n * PAGE) for n in (1, 20, 32, 20, 16, 24, 32, 2)]
    for buffer in held:
        buffer.view[:] = b"\x11" * buffer.capacity
    places = {buffer.offset for buffer in held}
    for bit in range(64):
        arena.alloc(20 * PAGE)
        words = slot_words(arena, 1)
        index = next(i for i in range(SLOT_MAGAZINE, SLOT_WORDS) if words[i])
        words[index] ^= 1 << bit
        for n in (20, 20, 1):
            new = arena.alloc(n * PAGE)
            assert new.offset not in places
            assert new.capacity == n * PAGE
            new.view[:] = b"\xff" * n * PAGE
            del new
        if rounds_of(arena):
            # The next process that empties magazines repairs a word that was not used.
            with suppress(CorruptMetadata):
                arena.stats()
        arena.verify()
    assert all(bytes(buffer.view) == b"\x11" * buffer.capacity for buffer in held)


def test_sizes_of_rounds_are_in_order_and_fit_their_bits():
    sizes = [size_of_round(n) for n in range(1, (MOST_LARGE_BYTES >> 6) + 1)]
    assert sizes == sorted(sizes)
    assert sizes[: MOST_SMALL_PAGES + 1] == list(range(1, MOST_SMALL_PAGES + 2))
    assert sizes[-1] < 32
    for n in (1, MOST_SMALL_PAGES, MOST_SMALL_PAGES + 1, 256, MOST_LARGE_BYTES >> 6):
        assert size_in(round_of(0x7FFF_FFFF, 1 << 63 | n << 32 | 0xFFFF_FFFF)) == size_of_round(n)
