"""Numpy may call the functions of its handler without the GIL: here threads do so at the same time."""

from __future__ import annotations

import ctypes
import threading
import time

import pytest

from pagebuddy import Arena as ChosenArena


class Handler(ctypes.Structure):
    """`PyDataMem_Handler`, as NEP 49 describes it."""

    _fields_ = [
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_ubyte),
        ("context", ctypes.c_void_p),
        ("malloc", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)),
        (
            "calloc",
            ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t),
        ),
        (
            "realloc",
            ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t),
        ),
        (
            "free",
            ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t),
        ),
    ]


@pytest.fixture
def functions():
    """The functions of a handler, each with its context as first argument, called without the GIL."""

    def functions(memory):
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        return Handler.from_address(pointer(memory._handler, b"mem_handler"))

    return functions


PAGE = 4096


def given(function, *arguments):
    """The memory that a function of the handler gives. On a busy machine the lock may take 50 ms."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if at := function(*arguments):
            return at
    raise AssertionError(f"no memory for {arguments}")


@pytest.mark.parametrize("lock", ["mutex", "file"])
def test_threads_without_the_gil_beside_threads_with_it(functions, lock, effort):
    arena = ChosenArena("64 MiB", lock=lock)
    memory = arena.numpy_memory(1, strict=True)
    handler = functions(memory)
    context, failures, ended = handler.context, [], threading.Event()
    base, _ = arena._attachment.extent

    def raw(number):
        try:
            kept = []
            for i in range(effort.pick(300, 10_000)):
                n = PAGE * (1 + (i * 7 + number) % 20)
                if i % 2:
                    at = given(handler.calloc, context, n, 1)
                else:
                    at = given(handler.malloc, context, n)
                assert (at - base) % PAGE == 0
                ctypes.memset(at, number, n)
                if i % 3 == 0:
                    at, n = given(handler.realloc, context, at, n + 2 * PAGE), n + 2 * PAGE
                    assert ctypes.string_at(at, n - 2 * PAGE) == bytes([number]) * (n - 2 * PAGE)
                    ctypes.memset(at, number, n)
                kept.append((at, n))
                if len(kept) > 10:
                    at, n = kept.pop(0)
                    assert ctypes.string_at(at, n) == bytes([number]) * n
                    # Any size, as it is not trusted.
                    handler.free(context, at, i)
            for at, _ in kept:
                handler.free(context, at, 0)
        except BaseException as failure:
            failures.append(failure)

    def ordinary():
        try:
            while not ended.is_set():
                buffers = [arena.alloc(PAGE * (1 + i % 16)) for i in range(20)]
                joined = [arena.buffer_at(buffer.offset) for buffer in buffers]
                del buffers, joined
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=raw, args=(number,)) for number in (1, 2, 3)]
    other = threading.Thread(target=ordinary)
    for thread in (*threads, other):
        thread.start()
    for thread in threads:
        thread.join()
    ended.set()
    other.join()
    assert not failures
    arena.verify()
    assert arena.stats().used == 0


def test_without_the_gil_an_arena_for_one_process_is_not_touched(functions):
    """The GIL is its lock: such an allocation fails, and such an end is deferred."""
    arena = ChosenArena.over(bytearray(1 << 20))
    memory = arena.numpy_memory(1, strict=True)
    handler = functions(memory)
    assert handler.malloc(handler.context, PAGE) is None
    with_gil = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    malloc = with_gil(ctypes.cast(handler.malloc, ctypes.c_void_p).value)
    at = malloc(handler.context, PAGE)
    assert arena.stats().used == 1
    handler.free(handler.context, at, PAGE)
    # This operation ends it.
    assert arena.stats().used == 0
    arena.verify()


def test_a_size_that_overflows_is_refused(functions):
    arena = ChosenArena("1 MiB")
    memory = arena.numpy_memory()
    handler = functions(memory)
    assert handler.calloc(handler.context, 1 << 33, 1 << 33) is None
