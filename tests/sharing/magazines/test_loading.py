"""Buffers are freed and allocated again without the lock. To all observers they are free."""

from __future__ import annotations

import pickle
import sys

import pytest

from pagebuddy import BadFree, OutOfPages
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.sharing.words import (
    MAGAZINE_WORDS,
    MOST_LARGE_ROUNDS,
    MOST_SMALL_PAGES,
)
from tests.sharing.magazines.sizes import (
    LARGE_ARENA,
    LARGEST,
    LONGEST_ROUNDS,
    PAGE,
    SMALL_ARENA,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="robust mutexes are Linux's")


@pytest.mark.parametrize(
    ("n_pages", "n"),
    [(SMALL_ARENA, n) for n in (1, 3, MOST_SMALL_PAGES)]
    + [(LARGE_ARENA, n) for n in (MOST_SMALL_PAGES + 1, LARGEST)],
)
def test_a_buffer_is_allocated_again_with_stores_to_the_magazine_only(
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


def test_the_buffer_freed_last_is_allocated_first(arena, rounds_of):
    buffers = [arena.alloc(PAGE) for _ in range(MAGAZINE_WORDS)]
    offsets = [buffer.offset for buffer in buffers]
    while buffers:
        del buffers[0]
    assert rounds_of(arena) == offsets
    again = [arena.alloc(PAGE) for _ in offsets]
    assert [buffer.offset for buffer in again] == offsets[::-1]


def test_a_round_of_another_length_is_not_used(arena, rounds_of):
    longer, shorter = arena.alloc(2 * PAGE), arena.alloc(PAGE)
    first, second = longer.offset, shorter.offset
    del longer, shorter
    buffer = arena.alloc(2 * PAGE)
    assert buffer.offset == first
    assert rounds_of(arena) == [second]


def test_arrays_also_go_through_the_magazine(arena, rounds_of):
    pytest.importorskip("numpy")
    offset = arena.alloc(PAGE).offset
    array = arena.empty((64, 64), "u1")
    assert arena.buffer_of(array).offset == offset
    del array
    assert rounds_of(arena) == [offset]


def test_buffers_that_do_not_fit_the_magazine_are_freed(arena, rounds_of):
    buffers = [arena.alloc(PAGE) for _ in range(3 * MAGAZINE_WORDS)]
    del buffers
    assert len(rounds_of(arena)) <= MAGAZINE_WORDS
    assert arena.stats().used == 0


def test_large_and_shared_buffers_do_not_become_rounds(arena, start, rounds_of):
    def joining(child):
        other = arena.buffer_at(int(child.hear()))
        child.say("joined")
        child.hear()
        del other

    other = start(joining)
    large = arena.alloc((MOST_SMALL_PAGES + 1) * PAGE)
    kept, sent, twice, shared = (arena.alloc(PAGE) for _ in range(4))
    kept.keep("kept")
    handle = pickle.dumps(sent)
    again = arena.buffer_at(twice.offset)
    other.say(shared.offset)
    assert other.hear() == "joined"
    del large, kept, sent, twice, shared
    assert rounds_of(arena) == []
    del again
    assert len(rounds_of(arena)) == 1
    other.say("end")
    assert other.wait() == 0
    assert pickle.loads(handle).nbytes == PAGE


def test_arenas_with_a_file_lock_have_no_magazines(Arena, engine, silent, rounds_of):
    arena = Arena("1 MiB", lock="file")
    buffer = arena.alloc(PAGE)
    del buffer
    assert rounds_of(arena) == []


# -- rounds are free to all observers --------------------------------------------------------------


@pytest.mark.parametrize(("n_pages", "n"), [(SMALL_ARENA, 3), (LARGE_ARENA, LARGEST)])
def test_stats_and_walks_empty_the_magazines(arena, n_pages, n, rounds_of):
    held = arena.alloc(PAGE)
    for look, seen in (
        (lambda: (arena.stats().used, arena.stats().n_spans), (1, 1)),
        (lambda: arena.stats().largest_free, n_pages - 1),
        (lambda: [buffer.nbytes for buffer in arena.buffers()], [PAGE]),
        (lambda: [(row.buffers, row.nbytes) for row in arena.processes()], [(1, PAGE)]),
        (arena.verify, None),
        (arena.trim, n * PAGE),
    ):
        arena.alloc(n * PAGE).view[:] = b"\x11" * n * PAGE
        assert len(rounds_of(arena)) == 1
        assert look() == seen
        assert rounds_of(arena) == []
    assert held.offset == 0


def test_a_snapshot_shows_rounds_as_free_and_leaves_them(Arena, engine, name, silent, rounds_of):
    if engine == "uncompiled":
        pytest.skip("the uncompiled engine has no mutex, and no magazines")
    arena = Arena.create(name, "1 MiB")
    held = arena.alloc(PAGE)
    dropped = arena.alloc(2 * PAGE).offset
    with Snapshot(f"/dev/shm/{name}") as snapshot:
        assert (snapshot.stats().used, len(list(snapshot.buffers()))) == (1, 1)
        assert [(row.buffers, row.nbytes) for row in snapshot.processes()] == [(1, PAGE)]
    assert rounds_of(arena) == [dropped]
    assert held.offset == 0


def test_another_process_sees_rounds_as_free(arena, start, rounds_of):
    def dropping(child):
        buffers = [arena.alloc(n * PAGE) for n in range(1, 6)]
        del buffers
        child.say(len(rounds_of(arena, 2)))
        child.hear()
        child.say(len(rounds_of(arena, 2)))

    other = start(dropping)
    assert other.hear() == "5"
    assert [(row.buffers, row.nbytes) for row in arena.processes()] == [(0, 0), (0, 0)]
    other.say("look")
    assert other.hear() == "0"
    assert other.wait() == 0


@pytest.mark.parametrize(("n_pages", "n"), [(SMALL_ARENA, 1), (LARGE_ARENA, LARGEST)])
def test_a_freed_buffer_is_not_found_by_its_offset(arena, n, rounds_of):
    offset = arena.alloc(n * PAGE).offset
    assert rounds_of(arena) == [offset]
    with pytest.raises(BadFree, match=f"there is no buffer at page {offset // PAGE}"):
        arena.buffer_at(offset)
    assert rounds_of(arena) == []


def test_a_buffer_freed_by_another_process_is_not_found_by_its_offset(arena, start, rounds_of):
    def dropping(child):
        child.say(arena.alloc(PAGE).offset)
        child.hear()

    other = start(dropping)
    assert other.hear() == "0"
    assert rounds_of(arena, 2) == [0]
    with pytest.raises(BadFree):
        arena.buffer_at(0)


# -- when pages are scarce -------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"align": PAGE}, {"zero": True}])
@pytest.mark.parametrize(
    ("n_pages", "n", "count"),
    [(*LONGEST_ROUNDS[0], MAGAZINE_WORDS), (*LONGEST_ROUNDS[1], MOST_LARGE_ROUNDS)],
)
def test_rounds_of_another_process_cannot_make_an_allocation_fail(
    arena, n, count, start, options, rounds_of
):
    def dropping(child):
        buffers = [arena.alloc(n * PAGE) for _ in range(count)]
        del buffers
        child.say(len(rounds_of(arena, 2)))
        child.hear()

    other = start(dropping)
    assert other.hear() == str(count)
    everything = arena.alloc(arena.size, **options)
    assert everything.capacity == arena.size
    assert rounds_of(arena, 2) == []
    with pytest.raises(OutOfPages):
        arena.alloc(1)


def test_single_pages_are_taken_from_other_magazines(arena, start):
    def dropping(child):
        buffers = [arena.alloc(PAGE) for _ in range(MAGAZINE_WORDS)]
        del buffers
        child.say("dropped")
        child.hear()

    other = start(dropping)
    assert other.hear() == "dropped"
    buffers = [arena.alloc(PAGE) for _ in range(arena.n_pages)]
    assert len({buffer.offset for buffer in buffers}) == arena.n_pages
    with pytest.raises(OutOfPages):
        arena.alloc(1)


@pytest.mark.parametrize(
    ("n_pages", "first", "n"), [(SMALL_ARENA, 1, 1), (LARGE_ARENA, LARGE_ARENA - LARGEST, LARGEST)]
)
def test_a_buffer_grows_into_pages_of_a_round(arena, first, n, rounds_of):
    buffer = arena.alloc(first * PAGE)
    assert arena.alloc(n * PAGE).offset == first * PAGE
    assert rounds_of(arena) == [first * PAGE]
    assert buffer.resize((first + n) * PAGE)
    assert rounds_of(arena) == []
