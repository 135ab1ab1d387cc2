"""Small buffers are dropped and had again without the lock; to all who look they are free."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import threading
from contextlib import suppress

import pytest

from pagebuddy import BadFree, CorruptMetadata, OutOfPages
from pagebuddy.sharing.lease import take
from pagebuddy.sharing.words import (
    MAGAZINE_WORDS,
    MOST_ROUND_PAGES,
    SLOT_MAGAZINE,
    SLOT_STATE,
    SLOT_WORDS,
)
from pagebuddy.tools.arenas.snapshot import Snapshot

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="robust mutexes are Linux's")

PAGE = 4096


@pytest.fixture
def arena(silent, Arena, engine):
    """A small arena whose processes have magazines; it is sound when all is over."""
    if engine == "uncompiled":
        pytest.skip("the uncompiled engine has no mutex, and no magazines")
    arena = Arena("1 MiB")
    yield arena
    arena.reap(unclaimed_after=0)
    arena.verify()


def slot_words(arena, slot):
    """The words of a slot, as they are."""
    at = arena._attachment.layout.slots_at + slot * SLOT_WORDS
    return arena._attachment.memory[at : at + SLOT_WORDS]


def rounds_of(arena, slot=1):
    """The rounds in a slot's magazine: their offsets, in order of their pages. Nobody notices."""
    words = slot_words(arena, slot)[SLOT_MAGAZINE : SLOT_MAGAZINE + MAGAZINE_WORDS].tolist()
    return sorted(((word >> 32 & 0x7FFF_FFFF) - 64) * PAGE for word in words if word)


def words_but_magazines(arena):
    """All words before the pages, without the magazines."""
    layout = arena._attachment.layout
    words = memoryview(bytearray(arena._attachment.memory)).cast("Q")
    for slot in range(layout.n_slots):
        at = layout.slots_at + slot * SLOT_WORDS + SLOT_MAGAZINE
        words[at : at + MAGAZINE_WORDS] = memoryview(bytes(8 * MAGAZINE_WORDS)).cast("Q")
    return words.tobytes()


# -- loading and drawing ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, MOST_ROUND_PAGES])
def test_a_small_buffer_is_had_again_without_any_store_but_in_the_magazine(arena, n):
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


def test_the_last_that_was_dropped_is_the_first_that_is_had_again(arena):
    buffers = [arena.alloc(PAGE) for _ in range(MAGAZINE_WORDS)]
    offsets = [buffer.offset for buffer in buffers]
    while buffers:
        del buffers[0]
    assert rounds_of(arena) == offsets
    again = [arena.alloc(PAGE) for _ in offsets]
    assert [buffer.offset for buffer in again] == offsets[::-1]


def test_a_round_of_another_length_is_left_alone(arena):
    longer, shorter = arena.alloc(2 * PAGE), arena.alloc(PAGE)
    first, second = longer.offset, shorter.offset
    del longer, shorter
    buffer = arena.alloc(2 * PAGE)
    assert buffer.offset == first
    assert rounds_of(arena) == [second]


def test_arrays_are_had_again_as_well(arena):
    pytest.importorskip("numpy")
    offset = arena.alloc(PAGE).offset
    array = arena.empty((64, 64), "u1")
    assert arena.buffer_of(array).offset == offset
    del array
    assert rounds_of(arena) == [offset]


def test_more_than_a_magazine_holds_is_freed(arena):
    buffers = [arena.alloc(PAGE) for _ in range(3 * MAGAZINE_WORDS)]
    del buffers
    assert len(rounds_of(arena)) <= MAGAZINE_WORDS
    assert arena.stats().used == 0


def test_what_is_not_small_or_somebody_else_needs_is_no_round(arena, start):
    def joining(child):
        other = arena.buffer_at(int(child.hear()))
        child.say("joined")
        child.hear()
        del other

    other = start(joining)
    large = arena.alloc((MOST_ROUND_PAGES + 1) * PAGE)
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


def test_arenas_with_another_lock_have_none(Arena, engine, silent):
    arena = Arena("1 MiB", lock="file")
    buffer = arena.alloc(PAGE)
    del buffer
    assert rounds_of(arena) == []


# -- to all who look they are free -----------------------------------------------------------------


def test_figures_and_walks_have_no_rounds(arena):
    held = arena.alloc(PAGE)
    for look in (
        lambda: (arena.stats().used, arena.stats().n_spans, arena.stats().largest_free),
        lambda: (1, len(list(arena.buffers())), 255),
        lambda: (arena.processes()[0].nbytes // PAGE, arena.processes()[0].buffers, 255),
        arena.verify,
        arena.trim,
    ):
        arena.alloc(3 * PAGE).view[:] = b"\x11" * 3 * PAGE
        assert rounds_of(arena)
        assert look() in ((1, 1, 255), None, 3 * PAGE)
        assert rounds_of(arena) == []
    assert held.offset == 0


def test_who_looks_from_outside_sees_them_as_free_and_leaves_them(Arena, engine, name, silent):
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


def test_another_process_sees_them_as_free(arena, start):
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


def test_a_buffer_that_was_dropped_is_not_found_by_its_place(arena):
    offset = arena.alloc(PAGE).offset
    assert rounds_of(arena) == [offset]
    with pytest.raises(BadFree, match="there is no buffer at page 0"):
        arena.buffer_at(offset)
    assert rounds_of(arena) == []


def test_what_another_process_dropped_is_not_found_by_its_place(arena, start):
    def dropping(child):
        child.say(arena.alloc(PAGE).offset)
        child.hear()

    other = start(dropping)
    assert other.hear() == "0"
    assert rounds_of(arena, 2) == [0]
    with pytest.raises(BadFree):
        arena.buffer_at(0)


# -- where pages are short -------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"align": PAGE}, {"zero": True}])
def test_another_process_cannot_make_an_allocation_fail(arena, start, options):
    def dropping(child):
        buffers = [arena.alloc(MOST_ROUND_PAGES * PAGE) for _ in range(MAGAZINE_WORDS)]
        del buffers
        child.say(len(rounds_of(arena, 2)))
        child.hear()

    other = start(dropping)
    assert other.hear() == str(MAGAZINE_WORDS)
    everything = arena.alloc(arena.size, **options)
    assert everything.capacity == arena.size
    assert rounds_of(arena, 2) == []
    with pytest.raises(OutOfPages):
        arena.alloc(1)


def test_single_pages_are_had_from_other_magazines(arena, start):
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


def test_a_buffer_grows_into_what_is_in_a_magazine(arena):
    first, second = arena.alloc(PAGE), arena.alloc(PAGE)
    assert second.offset == PAGE
    del second
    assert rounds_of(arena) == [PAGE]
    assert first.resize(2 * PAGE)
    assert rounds_of(arena) == []


# -- forks, ends, and slots ------------------------------------------------------------------------


def test_a_child_holds_nothing_that_was_dropped(arena, start):
    def waiting(child):
        child.say(rounds_of(arena, 2))
        child.say(arena.processes()[1].buffers)
        child.hear()

    held = arena.alloc(2 * PAGE)
    arena.alloc(PAGE)
    assert len(rounds_of(arena)) == 1
    other = start(waiting)
    assert other.hear() == "[]"
    assert other.hear() == "1"
    assert [row.buffers for row in arena.processes()] == [1, 1]
    other.kill()
    assert held.offset == 0


def test_parent_and_child_have_magazines_of_their_own(arena, start):
    def part(child):
        child.say(arena.alloc(PAGE).offset)
        child.hear()
        child.say(arena.alloc(PAGE).offset)

    arena.alloc(2 * PAGE)
    other = start(part)
    assert other.hear() == "0"
    mine = arena.alloc(PAGE).offset
    assert mine != 0
    assert (rounds_of(arena, 1), rounds_of(arena, 2)) == ([mine], [0])
    other.say("again")
    assert other.hear() == "0"
    assert other.wait() == 0


def test_a_shared_slot_has_no_magazine(Arena, engine, silent, start):
    if engine == "uncompiled":
        pytest.skip("the uncompiled engine has no mutex, and no magazines")
    arena = Arena("1 MiB")
    arena.alloc(2 * PAGE)
    buffer = arena.alloc(PAGE)
    buffer.view[:] = b"\x11" * PAGE
    free = [slot for slot in range(2, 48) if not slot_words(arena, slot)[SLOT_STATE]]
    leases = [take(arena.fileno(), slot) for slot in free]
    assert all(leases)

    def part(child):
        child.say(bytes(buffer.view[:1]).hex())
        child.hear()
        arena.alloc(PAGE)
        child.say(bytes(buffer.view[:1]).hex())
        child.hear()

    other = start(part)
    assert other.hear() == "11"
    assert slot_words(arena, 1)[1] == 1
    assert rounds_of(arena) == []
    offset, buffer = buffer.offset, None
    arena.alloc(PAGE)
    assert rounds_of(arena) == []
    everything = arena.alloc(arena.stats().largest_free_bytes)
    everything.view[:] = b"\xff" * everything.nbytes
    other.say("look")
    assert other.hear() == "11"
    assert offset in {row.offset for row in arena.buffers()}
    other.kill()
    for lease in leases:
        lease.release()


def test_what_the_dead_had_in_their_magazines_is_reaped(arena, start):
    def dropping(child):
        buffers = [arena.alloc(PAGE) for _ in range(4)]
        del buffers[2:]
        child.say(len(rounds_of(arena, 2)))
        child.hear()
        os._exit(0)

    other = start(dropping)
    assert other.hear() == "2"
    other.kill()
    assert arena.reap() == 1
    assert rounds_of(arena, 2) == []
    assert arena.stats().used == 0
    assert start(lambda child: child.say(rounds_of(arena, 2))).hear() == "[]"


def test_an_arena_that_is_closed_leaves_nothing(run, engine):
    if engine == "uncompiled":
        pytest.skip("the uncompiled engine has no mutex, and no magazines")
    printed = run(
        """
        import os, pagebuddy
        first = pagebuddy.Arena("1 MiB")
        pid = os.fork()
        if not pid:
            second = pagebuddy.Arena.attach(first.fileno())
            second.alloc(4096)
            first.close()
            second.close()
            os._exit(0)
        os.waitpid(pid, 0)
        print(len(first.processes()), first.reap(), first.stats().used)
        """
    )
    assert printed == "1 0 0\n"


# -- damage ----------------------------------------------------------------------------------------


def test_every_flipped_bit_of_a_round_is_found_or_does_nothing(arena):
    held = [arena.alloc(PAGE) for _ in range(40)]
    for buffer in held:
        buffer.view[:] = b"\x11" * PAGE
    places = {buffer.offset for buffer in held}
    for bit in range(64):
        arena.alloc(PAGE)
        words = slot_words(arena, 1)
        index = next(i for i in range(SLOT_MAGAZINE, SLOT_WORDS) if words[i])
        words[index] ^= 1 << bit
        new = arena.alloc(PAGE)
        assert new.offset not in places
        new.view[:] = b"\xff" * PAGE
        del new
        if rounds_of(arena):
            # Not a word of it was believed; the first who empties the magazines says so, and mends.
            with suppress(CorruptMetadata):
                arena.stats()
        arena.verify()
    assert all(bytes(buffer.view) == b"\x11" * PAGE for buffer in held)


def test_words_in_the_magazine_of_a_free_slot_are_forgotten(arena, start):
    words = slot_words(arena, 2)
    words[SLOT_MAGAZINE] = 0x1234_5678_9ABC_DEF0
    arena.verify()
    other = start(lambda child: child.say(rounds_of(arena, 2)))
    assert other.hear() == "[]"
    assert other.wait() == 0


# -- at once ---------------------------------------------------------------------------------------


def test_who_joins_a_buffer_has_it_before_it_is_handed_out_again(arena, start, rounds):
    """The other process counts up before and after it holds something, so that this one can tell."""
    told = arena.alloc(PAGE)
    epoch = told.view.cast("Q")

    def joining(child):
        while not epoch[2]:
            try:
                other = arena.buffer_at(epoch[3])
            except BadFree:
                continue
            epoch[1] = other.offset
            epoch[0] += 1
            epoch[0] += 1
            del other

    epoch[3] = arena.alloc(PAGE).offset
    other = start(joining)
    for _ in range(10_000 * rounds):
        before = epoch[0]
        buffer = arena.alloc(PAGE)
        at, held, after = buffer.offset, epoch[1], epoch[0]
        assert before != after or before % 2 == 0 or at != held
        buffer = None
    epoch[2] = 1
    assert other.wait() == 0
    arena.reap()
    assert arena.stats().used == 1


@pytest.mark.parametrize("lockless", [True, False], ids=["forks of C", "forks"])
def test_forks_while_threads_load_and_draw(arena, rounds, lockless):
    """A fork of C needs no interpreter, and comes between any two instructions of other threads."""
    over, errors = threading.Event(), []

    def dropping(number):
        try:
            pattern = bytes([number]) * PAGE
            while not over.is_set():
                some = [arena.alloc(PAGE), arena.alloc(PAGE)]
                for buffer in some:
                    buffer.view[:] = pattern
                if any(bytes(buffer.view) != pattern for buffer in some):
                    errors.append("another's bytes")
                some = buffer = None
        except BaseException as error:
            errors.append(error)

    held = arena.alloc(PAGE)
    held.view[:] = b"\xee" * PAGE
    threads = [threading.Thread(target=dropping, args=(n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    fork = ctypes.CDLL(None).fork if lockless else os.fork
    for _ in range(100 * rounds):
        pid = fork()
        if not pid:
            # The interpreter's lock may be nobody's here: then this is never come to.
            os._exit(0)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    over.set()
    for thread in threads:
        thread.join()
    assert errors == []
    arena.reap()
    arena.verify()
    assert bytes(held.view) == b"\xee" * PAGE
    del held
    assert arena.stats().used == 0


def test_a_recording_has_every_buffer_that_was_had_again(arena, tmp_path):
    held = arena.alloc(PAGE)
    arena.alloc(2 * PAGE)
    assert len(rounds_of(arena)) == 1
    with arena.record(tmp_path / "trace.csv"):
        assert rounds_of(arena) == []
        for _ in range(5):
            arena.alloc(3 * PAGE)
    lines = (tmp_path / "trace.csv").read_text().splitlines()
    assert sum(line.startswith("alloc") for line in lines) == 1 + 5, lines
    arena.alloc(3 * PAGE)
    assert len(rounds_of(arena)) == 1
    assert held.offset == 0
