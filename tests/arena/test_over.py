"""Arenas over memory of the caller's."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
from array import array

import pytest


class Fields(ctypes.Structure):
    _fields_ = (("Order", ctypes.c_long), ("Other", ctypes.c_double))


class Mixed(ctypes.Structure):
    _fields_ = (("number", ctypes.c_long), ("thing", ctypes.py_object))


MEMORY = {
    "bytearray": lambda: bytearray(1 << 20),
    "mmap": lambda: mmap.mmap(-1, 1 << 20),
    "ctypes": lambda: (ctypes.c_char * (1 << 20))(),
    "fields": lambda: (Fields * (1 << 16))(),
    "array": lambda: array("d", bytes(1 << 20)),
    "a part": lambda: memoryview(bytearray((1 << 20) + 3))[3:],
    "dirty": lambda: bytearray(b"\xff" * (1 << 20)),
}


@pytest.mark.parametrize("memory", MEMORY.values(), ids=MEMORY)
def test_any_writable_memory(Arena, memory):
    given = memory()
    arena = Arena.over(given)
    assert 0.96 < arena.size / (1 << 20) < 1
    buffer = arena.alloc(arena.size)
    buffer.view[:] = b"\xa5" * arena.size
    assert bytes(memoryview(given).cast("B")).count(b"\xa5" * arena.size) == 1
    arena.verify()
    del buffer
    assert arena.stats().used == 0


def test_it_serves_one_process(Arena):
    arena = Arena.over(bytearray(1 << 16))
    with pytest.raises(ValueError, match="memory of the caller has no file descriptor"):
        arena.fileno()
    assert [(row.me, row.alive) for row in arena.processes()] == [(True, True)]
    assert not arena.unlink()
    arena.flush()
    assert arena.trim() == 0
    assert "memory of the caller" in repr(arena)


@pytest.mark.parametrize("page_size", [64, 4096])
def test_the_least_memory_for_a_page(Arena, page_size):
    with pytest.raises(ValueError, match=r"memory has 100 bytes, too few") as caught:
        Arena.over(bytearray(100), page_size=page_size)
    least = int(str(caught.value).rsplit(" ", 1)[1])
    with pytest.raises(ValueError, match=f"memory has {least - 1} bytes"):
        Arena.over(bytearray(least - 1), page_size=page_size)
    arena = Arena.over(bytearray(least), page_size=page_size)
    assert arena.n_pages == 1
    assert arena.alloc(page_size).nbytes == page_size
    arena.verify()


def test_tables_grow_with_the_memory(Arena):
    """The room for pages never shrinks, and little of it is lost."""
    before = 0
    for n_bytes in range(8192, 1 << 18, 4096):
        n_pages = Arena.over(bytearray(n_bytes)).n_pages
        assert n_pages >= before
        before = n_pages
    assert before >= 58


def test_the_memory_lives_as_long_as_a_view(Arena):
    memory = bytearray(1 << 16)
    view = Arena.over(memory).alloc(5).view
    gc.collect()
    with pytest.raises(BufferError):
        memory.append(1)
    view[:] = b"hello"
    assert b"hello" in memory
    del view
    gc.collect()
    memory.append(1)


@pytest.mark.parametrize(
    ("memory", "error", "match"),
    [
        (bytes(1 << 20), ValueError, "memory is read-only; give a buffer that can be written"),
        (5, TypeError, "memory is a int, which has no buffer; give a bytearray"),
        (None, TypeError, "memory is a NoneType, which has no buffer"),
        ("text", TypeError, "memory is a str, which has no buffer"),
        (bytearray(), ValueError, "memory is empty; pass a buffer with room"),
        (
            bytearray(5000),
            ValueError,
            r"memory has 5000 bytes, too few for an arena with one page of 4096",
        ),
        (memoryview(bytearray(1 << 20))[::2], ValueError, "memory has gaps between its items"),
        (mmap.mmap(-1, 1 << 16, prot=mmap.PROT_READ), ValueError, "memory is read-only"),
        ((ctypes.py_object * 10_000)(), TypeError, "memory holds references to objects"),
        ((Mixed * 10_000)(), TypeError, "memory holds references to objects"),
    ],
    ids=[
        "read-only",
        "number",
        "none",
        "text",
        "empty",
        "small",
        "gaps",
        "read-only mmap",
        "objects",
        "fields",
    ],
)
def test_memory_that_will_not_do(Arena, memory, error, match):
    with pytest.raises(error, match=match):
        Arena.over(memory)


def test_memory_that_will_not_do_is_not_written(Arena):
    memory = bytearray(b"\x77" * 5000)
    with pytest.raises(ValueError, match="5000 bytes"):
        Arena.over(memory)
    with pytest.raises(ValueError, match="page_size is 100"):
        Arena.over(memory, page_size=100)
    with pytest.raises(ValueError, match="max_order is 32"):
        Arena.over(memory, page_size=64, max_order=32)
    assert memory == b"\x77" * 5000
    memory.append(1)


def test_a_forked_child_keeps_what_it_sees_of_memory_that_is_shared(Arena):
    """Its views are of the very pages: nothing else tells the parent when they may be had again."""
    arena = Arena.over(mmap.mmap(-1, 1 << 20))
    array = arena.full(5000, 7, "u1")
    later, end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(end)
        os.read(later, 1)
        os._exit(0 if bytes(array) == b"\7" * 5000 else 1)
    os.close(later)
    with open(end, "wb"):
        held = arena.stats().used
        assert [(row.me, row.buffers) for row in arena.processes()] == [(True, 1), (False, 1)]
        del array
        assert arena.stats().used == held
        rest = arena.zeros(arena.stats().largest_free, "u1")
    assert os.waitpid(pid, 0)[1] == 0
    del rest
    arena.verify()
    assert arena.stats().used == held


@pytest.mark.parametrize("memory", ["bytearray", "private"])
def test_a_fork_costs_nothing_where_the_child_has_a_copy(Arena, memory):
    arena = Arena.over(
        mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if memory == "private"
        else bytearray(1 << 20)
    )
    array = arena.full(5000, 7, "u1")
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    del array
    assert arena.stats().used == 0
