"""Magazines together with forks, dead processes, threads and flipped bits."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress

import pytest

from pagebuddy import BadFree, CorruptMetadata
from pagebuddy.sharing.system.lease import take
from pagebuddy.sharing.words import (
    SLOT_MAGAZINE,
    SLOT_STATE,
    SLOT_WORDS,
)
from tests.sharing.magazines.sizes import LARGE_ARENA, LONGEST_ROUNDS, PAGE, SMALL_ARENA

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="robust mutexes are Linux's")


def test_a_child_does_not_hold_its_parents_rounds(arena, start, rounds_of):
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


def test_parent_and_child_have_magazines_of_their_own(arena, start, rounds_of):
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


def test_a_shared_slot_has_no_magazine(Arena, engine, silent, start, slot_words, rounds_of):
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


@pytest.mark.parametrize(("n_pages", "n"), LONGEST_ROUNDS)
def test_rounds_of_dead_processes_are_reaped(arena, n, start, rounds_of):
    def dropping(child):
        buffers = [arena.alloc(n * PAGE) for _ in range(4)]
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


def test_closing_an_arena_empties_the_magazine(run, engine):
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


@pytest.mark.parametrize(
    ("n_pages", "lengths", "damaged", "then"),
    [
        (SMALL_ARENA, [1] * 40, 1, [1]),
        (LARGE_ARENA, [1, 20, 32, 20, 16, 24, 32, 2], 20, [20, 20, 1]),
    ],
    ids=["small", "large"],
)
def test_every_flipped_bit_of_a_round_is_found_or_harmless(
    arena, lengths, damaged, then, slot_words, rounds_of
):
    held = [arena.alloc(n * PAGE) for n in lengths]
    for buffer in held:
        buffer.view[:] = b"\x11" * buffer.capacity
    places = {buffer.offset for buffer in held}
    for bit in range(64):
        arena.alloc(damaged * PAGE)
        words = slot_words(arena, 1)
        index = next(i for i in range(SLOT_MAGAZINE, SLOT_WORDS) if words[i])
        words[index] ^= 1 << bit
        for n in then:
            new = arena.alloc(n * PAGE)
            assert new.offset not in places
            assert new.capacity == n * PAGE
            new.view[:] = b"\xff" * n * PAGE
            del new
        if rounds_of(arena):
            # The damaged word was not used. The next process that empties magazines repairs it.
            with suppress(CorruptMetadata):
                arena.stats()
        arena.verify()
    assert all(bytes(buffer.view) == b"\x11" * buffer.capacity for buffer in held)


def test_words_in_the_magazine_of_a_free_slot_are_ignored(arena, start, slot_words, rounds_of):
    words = slot_words(arena, 2)
    words[SLOT_MAGAZINE] = 0x1234_5678_9ABC_DEF0
    arena.verify()
    other = start(lambda child: child.say(rounds_of(arena, 2)))
    assert other.hear() == "[]"
    assert other.wait() == 0


# -- at the same time ------------------------------------------------------------------------------


def test_a_buffer_that_another_process_joined_is_not_allocated_again(arena, start, effort):
    """The other process increments a counter before and after it holds a buffer."""
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
    for _ in range(effort.pick(1000, 10_000)):
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
def test_forks_while_threads_load_and_draw(arena, effort, lockless):
    """A fork in C does not need the interpreter's lock: other threads may be at any instruction."""
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
    for _ in range(effort.pick(30, 100)):
        pid = fork()
        if not pid:
            # In the child no thread may have the interpreter's lock; then this line is not reached.
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


def test_a_recording_contains_every_buffer_despite_magazines(arena, tmp_path, rounds_of):
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
