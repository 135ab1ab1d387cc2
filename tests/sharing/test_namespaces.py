"""Processes in other pid namespaces are refused with a mutex, and accepted with a file lock."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from pagebuddy.errors import ArenaClosed

NEW_PIDS = 0x20000000


def unshare():
    """Put the future children of this process into a new pid namespace."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_PIDS):
        raise PermissionError(ctypes.get_errno(), "no right to a new pid namespace")


@pytest.fixture(autouse=True)
def may_unshare():
    done = subprocess.run(
        [sys.executable, "-c", f"import ctypes; exit(-ctypes.CDLL(None).unshare({NEW_PIDS}))"]
    )
    if done.returncode:
        pytest.skip("no right to a new pid namespace")


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_child_forked_into_another_pid_namespace_keeps_its_views(arena, start, lock, which):
    buffer = arena.alloc(4096)
    buffer.view[:5] = b"hello"

    def part(child):
        unshare()
        if which == "second":
            # The first process has number 1 there. No other process can start there once it has ended.
            waiting, never = os.pipe()
            if os.fork() == 0:
                os.close(never)
                os.read(waiting, 1)
                os._exit(0)
        pid = os.fork()
        if not pid:
            child.say(os.getpid())
            child.hear()
            child.say(bytes(buffer.view[:5]))  # deleted later
            try:
                arena.alloc(1)
                child.say("served")
            except ArenaClosed:
                child.say("refused")
            os._exit(0)
        os.waitpid(pid, 0)

    child = start(part)
    assert child.hear() == ("1" if which == "first" else "2")
    buffer = None
    assert arena.stats().n_spans == 1
    child.say("look")
    assert child.hear() == "b'hello'"
    assert child.hear() == ("served" if lock == "file" else "refused")
    assert child.wait() == 0


def test_attaching_from_another_pid_namespace_is_refused_with_a_mutex(
    silent, start, Arena, lock, name
):
    arena = Arena.create(name, "1 MiB", lock=lock)
    arena.alloc(4096).keep("weights")

    def part(child):
        arena.close()
        unshare()
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            return
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, name, str(child.pipes()[0])])

    def inheritable(child):
        os.set_inheritable(child.pipes()[0], True)
        part(child)

    environment = dict(os.environ)
    if "uncompiled" in Arena._engine.__name__:
        os.environ["PAGEBUDDY_PURE"] = "1"
    try:
        child = start(inheritable)
    finally:
        os.environ.clear()
        os.environ.update(environment)
    said = child.hear()
    child.wait()
    if lock == "file":
        assert said == "4096"
    else:
        assert "pid namespace" in said
        assert "lock='file'" in said
    arena.reap()
    arena.verify()


PROGRAM = """
import os, sys, pagebuddy
try:
    said = pagebuddy.Arena.attach(sys.argv[1])["weights"].nbytes
except ValueError as error:
    said = error
os.write(int(sys.argv[2]), f"{said}\\n".encode())
"""
