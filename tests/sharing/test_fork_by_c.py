"""Forks that the interpreter's hooks do not see, and children that never run."""

from __future__ import annotations

import ctypes
import os
import signal

import pytest

PATTERN = bytes(range(256)) * 16


def test_a_child_forked_by_c_has_its_own_slot(arena, engine, start):
    if engine == "uncompiled":
        pytest.skip("uncompiled, forks that are made by C are not seen")
    buffer = arena.alloc(len(PATTERN))
    buffer.view[:] = PATTERN
    here, there = os.pipe()
    pid = ctypes.PyDLL(None).fork()
    if not pid:
        sound = bytes(buffer.view) == PATTERN and arena.alloc(4096).nbytes == 4096
        os.write(there, b"sound" if sound else b"broken")
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(pid, os.WUNTRACED)
    assert os.read(here, 9) == b"sound"
    assert [row.pid for row in arena.processes() if not row.me] == [pid]
    assert arena.reap() == 0
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert arena.reap() == 1
    for fd in (here, there):
        os.close(fd)


def test_a_child_killed_before_its_first_instruction_is_reaped(run, lock):
    # Libc runs handlers in the order of registration: this one kills the child before any other runs.
    printed = run(
        """
        import ctypes, os, resource, sys
        libc = ctypes.CDLL(None)
        kill = ctypes.cast(libc.abort, ctypes.c_void_p)
        libc.__register_atfork(None, None, kill, None)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        import pagebuddy
        arena = pagebuddy.Arena("1 MiB", lock=sys.argv[1])
        buffer = arena.alloc(4096)
        pid = os.fork()
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        print([(row.pid, row.alive, row.buffers) for row in arena.processes() if not row.me])
        buffer = None
        print(arena.stats().n_spans, arena.reap(), arena.stats().n_spans)
        """,
        lock,
    )
    assert printed.splitlines() == [str(-signal.SIGABRT), "[(0, False, 1)]", "1 1 0"]
