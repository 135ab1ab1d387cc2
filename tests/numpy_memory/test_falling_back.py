"""Where the arena has no memory for an array, numpy's own is used, and counted; or that is an error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from pagebuddy import Arena as ChosenArena
from pagebuddy.sharing.words import LOCK_PATIENCE_MS
from tests.arena.small_file_system import run_in_small
from tests.sharing.old_tickets import make_old
from verification.stepping import stop_inside

np = pytest.importorskip("numpy")

N = 20_000


def is_in(arena, array):
    try:
        arena.buffer_of(array)
    except ValueError:
        return False
    return True


def test_a_full_arena(arena):
    rest = arena.alloc(arena.stats().largest_free * arena.page_size)
    with arena.numpy_memory():
        array = np.arange(N)
        zeros = np.zeros(N)
    assert not is_in(arena, array)
    assert not zeros.any()
    assert (arena.stats().numpy_fallbacks, arena.stats().failed) == (2, 2)
    assert "2 arrays in numpy's own memory" in str(arena.stats())
    rest.release()
    with arena.numpy_memory():
        array.resize(2 * N, refcheck=False)
    # It was made inside a block, so it moves in as soon as there is room.
    assert is_in(arena, array)
    assert array[N - 1] == N - 1
    assert arena.stats().numpy_fallbacks == 2


def test_handles_that_have_expired_make_room(shared):
    shared.alloc(shared.stats().largest_free_bytes).handle(expires=60)
    with shared.numpy_memory():
        assert not is_in(shared, np.arange(N))
        make_old(shared, 60_000)
        assert is_in(shared, np.arange(N))
    assert shared.stats().tickets == 0


def test_what_made_room_is_logged_when_the_block_ends(shared, caplog):
    shared.alloc(shared.stats().largest_free_bytes).handle(expires=60)
    with shared.numpy_memory():
        make_old(shared, 60_000)
        assert is_in(shared, np.arange(N))
        assert caplog.records == []
    [record] = caplog.records
    assert (
        "1 handle expired, which nobody had claimed; freed 1 buffer of 4 MiB" in record.getMessage()
    )


def test_an_array_larger_than_the_arena(shared):
    with shared.numpy_memory():
        array = np.zeros(shared.size + 1, "u1")
    assert not is_in(shared, array)
    assert (shared.stats().numpy_fallbacks, shared.stats().failed) == (1, 1)


def test_strict_raises_instead(arena):
    rest = arena.alloc(arena.stats().largest_free * arena.page_size)
    with arena.numpy_memory(strict=True):
        for make in (np.empty, np.zeros):
            with pytest.raises(MemoryError):
                make(N)
        assert np.zeros(10).sum() == 0
        # Numpy's own array, which cannot move in.
        small = np.arange(10)
        with pytest.raises(MemoryError):
            small.resize(N, refcheck=False)
        assert small.tolist() == list(range(10))
    assert arena.stats().numpy_fallbacks == 0
    rest.release()
    arena.verify()


def test_an_array_that_cannot_grow_stays_as_it_was(shared):
    with shared.numpy_memory(strict=True):
        array = np.arange(N)
        with pytest.raises(MemoryError):
            array.resize(shared.size, refcheck=False)
    assert array.tolist() == list(range(N))


def test_an_array_that_cannot_grow_in_the_arena_moves_out(shared):
    with shared.numpy_memory():
        array = np.arange(N)
        array.resize(shared.size, refcheck=False)
    assert not is_in(shared, array)
    assert array[:N].tolist() == list(range(N))
    assert shared.stats().used == 0
    assert shared.stats().numpy_fallbacks == 1


def test_memory_of_dead_processes_is_used_first(shared):
    program = """
        arena = Arena.attach(sys.argv[1])
        held = arena.alloc(arena.size)
        os.kill(os.getpid(), 9)
    """
    code = "import os, sys; from pagebuddy import Arena\n" + textwrap.dedent(program)
    subprocess.run([sys.executable, "-c", code, shared.name], timeout=60, check=False)
    assert shared.stats().free == 0
    with shared.numpy_memory():
        assert is_in(shared, np.zeros(N))


def test_buffers_that_are_cached_are_used_first(shared):
    for _ in range(2):
        buffers = [shared.alloc(16 * 4096) for _ in range(8)]
        del buffers
    with shared.numpy_memory(strict=True):
        assert is_in(shared, np.empty(shared.size, "u1"))


def test_a_stopped_process_with_the_lock(shared):
    """Arrays get other memory then, and what ends is ended later. Strict memory waits each time."""
    with shared.numpy_memory():
        array = np.arange(N)
        pid = stop_inside(shared, lambda: shared.alloc(4096), 3)
        try:
            outside = np.zeros(N)
            del array
            other = np.zeros(N)
            with shared.numpy_memory(strict=True):
                for _ in range(3):
                    began = time.monotonic()
                    with pytest.raises(MemoryError):
                        np.zeros(N)
                    # A wait cannot take less time than it lasts.
                    assert time.monotonic() - began >= LOCK_PATIENCE_MS / 1000
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert not is_in(shared, outside)
    assert not is_in(shared, other)
    assert shared.reap() == 1
    assert shared.stats().used == 0
    assert shared.stats().numpy_fallbacks == 2
    with shared.numpy_memory():
        assert is_in(shared, np.zeros(N))


def test_a_file_whose_descriptor_was_closed(name):
    """Then memory cannot be requested from the system, but what is there stays valid."""
    arena = ChosenArena.create(name, "4 MiB")
    with arena.numpy_memory():
        array = np.arange(N)
        fd = arena.fileno()
        kept = os.dup(fd)
        with open(os.devnull) as null:
            os.dup2(null.fileno(), fd)
        other = np.zeros(3 * N)
        os.dup2(kept, fd)
        os.close(kept)
        again = np.zeros(3 * N)
    assert not is_in(arena, other)
    assert is_in(arena, again)
    assert array[-1] == N - 1
    assert not other.any()
    assert arena.stats().numpy_fallbacks == 1


def test_an_arena_that_is_damaged(shared):
    with shared.numpy_memory():
        array = np.arange(N)
        from pagebuddy.sharing.words import A_POISONED

        shared._attachment.memory[A_POISONED] = 1
        other = np.zeros(N)
        assert array[-1] == N - 1
        del array
        shared._attachment.memory[A_POISONED] = 0
    assert not is_in(shared, other)
    assert shared.stats().numpy_fallbacks == 1


IN_SMALL = """
import contextlib, gc, os, sys, warnings
import numpy as np
from pagebuddy import Arena, ArenaSizeWarning
warnings.simplefilter("ignore", ArenaSizeWarning)

def in_arena(arena, array):
    try:
        arena.buffer_of(array)
    except ValueError:
        return False
    return True
"""


def test_a_full_file_system_is_no_signal():
    printed = run_in_small(
        4096,
        IN_SMALL,
        """
        arena = Arena.create("small", "64 MiB")
        kept = []
        with arena.numpy_memory():
            for i in range(40):
                kept.append(np.full(40_000, i))
            inside = [in_arena(arena, array) for array in kept]
            kept[0].resize(400_000, refcheck=False)
            grown = [kept[0]]
        assert all((array == i).all() for i, array in enumerate(kept) if i)
        assert inside[0] and not inside[-1], inside
        assert arena.stats().numpy_fallbacks == 40 - sum(inside) + 1, arena.stats()
        assert not in_arena(arena, kept[0]) and kept[0][40_000:].any() == False
        del kept, grown
        gc.collect()
        assert arena.stats().used == 0
        arena.verify()
        arena.unlink()
        print("done")
        """,
    )
    assert printed == "done\n"


def test_the_tables_of_a_large_arena_are_backed_as_they_are_used():
    printed = run_in_small(
        64 << 10,
        IN_SMALL,
        """
        arena = Arena.create("large", "16 GiB")
        kept = []
        with arena.numpy_memory("4 KiB"):
            for i in range(3000):
                kept.append(np.full(512 * (1 + i % 3), i))
                if i % 3 == 0:
                    kept.pop(0)
        assert all(in_arena(arena, array) for array in kept)
        assert arena.stats().numpy_fallbacks == 0
        arena.verify()
        print(len(kept))
        arena.unlink()
        """,
    )
    assert printed == "2000\n"
