"""What people have suffered from sizes, views and descriptors, each as a test. Numbers are issues."""

from __future__ import annotations

import os
import pickle

import pytest

from pagebuddy.errors import CorruptMetadata, OutOfPages
from pagebuddy.memory.named import FOLDER


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_too_much_is_an_error_and_no_signal(silent, Arena):
    """cpython 114390; pytorch 5040, 108861; ray 14182, 15951: SIGBUS, later."""
    with pytest.raises(OutOfPages) as caught:
        Arena("7 TiB", lock="file", reserve=True)
    assert caught.value.requested >= 7 << 28


def test_an_arena_cut_short_is_refused(silent, Arena, tmp_path):
    """The same, from a file that somebody truncated."""
    path = tmp_path / "store"
    Arena.file(path, "1 MiB", lock="file").close()
    os.truncate(path, 300_000)
    with pytest.raises(CorruptMetadata):
        Arena.file(path)


def test_reserved_pages_are_there(silent, Arena):
    """sglang 30602."""
    arena = Arena("4 MiB", lock="file", reserve=True)
    assert os.fstat(arena.fileno()).st_blocks * 512 >= 4 << 20
    lazy = Arena("4 MiB", lock="file")
    assert os.fstat(lazy.fileno()).st_blocks * 512 < 1 << 20


def test_an_anonymous_arena_is_not_in_dev_shm(silent, Arena):
    """triton-inference-server 5681, 4869, 6156, 6195: a /dev/shm of 64 MB. cpython 81366: memfd."""
    arena = Arena("1 MiB", lock="file")
    assert os.fstat(arena.fileno()).st_dev != os.stat(FOLDER).st_dev
    assert os.readlink(f"/proc/self/fd/{arena.fileno()}").startswith("/memfd:")


# Views


def test_an_array_keeps_its_memory(arena):
    """numpy 23305, 22190, 18294; cpython 102349."""
    np = pytest.importorskip("numpy")
    array = np.frombuffer(arena.alloc(8192).view, "u1")
    array[:] = 7
    half = array[4096:]
    del array
    taken = arena.alloc(arena.stats().largest_free * arena.page_size)
    taken.view[:] = b"\xff" * len(taken)
    assert (half == 7).all()
    assert arena.stats().free == 0
    del half
    assert arena.stats().free == 2


def test_an_array_keeps_an_arena_that_was_closed(silent, Arena):
    """The same, where all else is gone."""
    np = pytest.importorskip("numpy")
    arena = Arena("1 MiB", lock="file")
    array = np.frombuffer(arena.alloc(8192).view, "u1")
    array[:] = 7
    arena.close()
    del arena
    assert (array == 7).all()


def test_closing_hides_no_error(silent, Arena):
    """cpython 115635: BufferError from close() in place of what went wrong."""
    views = []

    def fail():
        with Arena("1 MiB", lock="file") as arena, arena.alloc(5000) as buffer:
            views.append(buffer.view)
            raise ZeroDivisionError("the real one")

    with pytest.raises(ZeroDivisionError, match="the real one"):
        fail()
    views[0][:5] = b"hello"


def test_a_buffer_grows_and_shrinks(arena):
    """cpython 155007: resize, reserve, pass the descriptor."""
    buffer = arena.alloc(5000)
    assert buffer.resize(500_000)
    assert buffer.resize(100)
    assert arena.stats().used == 1


# Descriptors


def test_buffers_cost_no_descriptors(arena):
    """pytorch 973, 11201, 11899."""
    before = descriptors()
    buffers = [arena.alloc(1) for _ in range(200)]
    sent = [pickle.dumps(buffer) for buffer in buffers]
    claimed = [pickle.loads(data) for data in sent]
    views = [buffer.view for buffer in claimed]
    assert len(views) == 200
    assert descriptors() == before


def test_pages_go_back_with_the_last_view(arena):
    """spdl 1521, 1522, 1525: reuse segments, give them back when the last view dies."""
    for _ in range(1000):
        view = arena.alloc(arena.size).view[100:200]
        view[0] = 1
        assert arena.stats().free == 0
        del view
    assert arena.stats().used == 0


def test_coming_and_going_leaves_nothing_open(silent, Arena, lock):
    """pytorch 11201: too many open files."""
    before = None
    for _ in range(200):
        arena = Arena("1 MiB", lock=lock)
        arena.alloc(5000)
        del arena
        before = before or descriptors()
    assert descriptors() == before
