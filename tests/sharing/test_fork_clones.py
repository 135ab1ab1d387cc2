"""A process cloned without running fork handlers can read its views and do nothing else.

Each test clones a forked process, which has one thread. A clone of the process of the tests could hang:
it lacks the threads of other libraries, for which their fork handlers wait (OpenBLAS), and a thread that
waits for the GIL.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal

import pytest

from pagebuddy.errors import ArenaClosed

np = pytest.importorskip("numpy")

CLONE = {"x86_64": 56, "aarch64": 220}

pytestmark = pytest.mark.skipif(platform.machine() not in CLONE, reason="call number unknown here")


def clone():
    """Fork without libc."""
    return ctypes.PyDLL(None).syscall(CLONE[platform.machine()], signal.SIGCHLD, 0, 0, 0, 0)


def played(part):
    """Clone a process that runs a part. Return its result."""
    here, there = os.pipe()
    pid = clone()
    if not pid:
        try:
            os.write(there, str(part()).encode())
        finally:
            os._exit(0)
    os.close(there)
    os.waitpid(pid, 0)
    said = os.read(here, 1000).decode()
    os.close(here)
    return said


@pytest.fixture
def in_one_thread(start):
    """Run a part in a forked process; it must not raise."""
    # So that OpenBLAS has a thread, if it uses any.
    square = np.ones((500, 500))
    assert (square @ square)[0, 0] == 500

    def run(part):
        assert start(lambda child: part()).wait() == 0

    return run


@pytest.fixture
def arena(arena, engine):
    if engine == "uncompiled":
        pytest.skip("uncompiled, a clone that runs no handlers is not noticed")
    return arena


def refused(act):
    try:
        act()
    except ArenaClosed:
        return True
    return False


def test_every_operation_of_a_clone_is_refused(arena, in_one_thread):
    def part():
        buffer = arena.alloc(4096)
        buffer.view[:5] = b"hello"
        acts = (
            lambda: arena.alloc(1),
            lambda: arena.alloc(1, align=8192),
            lambda: arena.buffer_at(0),
            lambda: arena["key"],
            lambda: buffer.keep("key"),
            lambda: buffer.unkeep(),
            lambda: buffer.resize(8192),
            arena.stats,
            lambda: list(arena.buffers()),
            arena.reap,
            arena.verify,
            arena.recover,
            arena.trim,
            buffer.__reduce__,
        )
        assert played(lambda: [refused(act) for act in acts]) == str([True] * len(acts))
        assert arena.stats().n_spans == 1

    in_one_thread(part)


def test_a_clone_sees_the_bytes_and_frees_nothing(arena, in_one_thread):
    def part():
        buffer = arena.alloc(4096)
        buffer.view[:5] = b"hello"

        def look():
            nonlocal buffer
            seen = bytes(buffer.view[:5])
            buffer = None
            return seen

        assert played(look) == "b'hello'"
        assert arena.stats().n_spans == 1
        assert [row.alive for row in arena.processes() if row.me] == [True]
        assert bytes(buffer.view[:5]) == b"hello"

    n_before = len(arena.processes())
    in_one_thread(part)
    assert arena.reap() == n_before


def test_a_clone_that_forks_has_children_that_are_refused_too(arena, in_one_thread):
    def part():
        buffer = arena.alloc(4096)

        def fork():
            nonlocal buffer
            here, there = os.pipe()
            pid = os.fork()
            if not pid:
                told = refused(lambda: arena.alloc(1))
                buffer = None
                os.write(there, str(told).encode())
                os._exit(0)
            os.close(there)
            os.waitpid(pid, 0)
            return os.read(here, 9)

        assert played(fork) == "b'True'"
        assert arena.stats().n_spans == 1
        assert [row.sticky for row in arena.processes()] == [False, False]

    in_one_thread(part)
