"""What happens to a child's slot: exec, a failed fork, a zombie, a first thread that exits."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import threading
from pathlib import Path

import pytest

THREAD_EXIT = {"x86_64": 60, "aarch64": 93}
DUMPABLE = 4
NOBODY = 54321


def others(arena):
    return [(row.pid, row.alive) for row in arena.processes() if not row.me]


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_exec_ends_the_holds_of_the_child(arena, start):
    buffer = arena.alloc(4096)

    def part(child):
        to_us, from_us = child.pipes()
        os.dup2(from_us, 0)
        os.dup2(to_us, 1)
        os.execv("/bin/cat", ["cat"])

    child = start(part)
    child.say("are you a cat?")
    assert child.hear() == "are you a cat?"
    assert others(arena) == [(child.pid, False)]
    del buffer
    assert arena.reap() == 1
    assert arena.stats().used == 0


def test_a_zombie_counts_as_dead(arena, start):
    buffer = arena.alloc(4096)
    child = start(lambda child: (child.say("here"), child.hear()))
    assert child.hear() == "here"
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert state_of(child.pid) == "Z"
    assert others(arena) == [(child.pid, False)]
    del buffer
    assert arena.reap() == 1
    assert arena.stats().used == 0
    child.wait()


@pytest.mark.skipif(platform.machine() not in THREAD_EXIT, reason="call number unknown here")
def test_a_process_lives_as_long_as_any_of_its_threads(arena, start):
    buffer = arena.alloc(4096)
    buffer.view[0] = 7

    def part(child):
        def second():
            child.say("second")
            child.hear()
            more = arena.alloc(4096)
            more.view[0] = buffer.view[0]  # deleted later
            child.say(more.view[0])
            child.hear()

        threading.Thread(target=second).start()
        ctypes.CDLL(None).syscall(THREAD_EXIT[platform.machine()], 0)

    child = start(part)
    assert child.hear() == "second"
    while state_of(child.pid) != "Z":
        # The thread reports that it starts, but nothing reports that the first thread has ended.
        os.sched_yield()
    assert others(arena) == [(child.pid, True)]
    buffer = None
    assert arena.reap() == 0
    child.say("go on")
    assert child.hear() == "7"
    child.kill()
    assert arena.reap() == 1
    assert arena.stats().used == 0


@pytest.mark.parametrize("sticky", [False, True], ids=["slot", "sticky"])
def test_a_fork_that_fails_leaves_nothing_alive(arena, start, sticky):
    if os.geteuid():
        pytest.skip("who is not root may have other processes, which the limit would count")

    def part(child):
        buffer = arena.alloc(4096)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        # The limit does not apply to root. Without this call, another user cannot read its /proc.
        os.setuid(NOBODY)
        ctypes.CDLL(None).prctl(DUMPABLE, 1, 0, 0, 0)
        if sticky:
            # No file can be opened, so no lease can be taken.
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        for _ in range(60):
            try:
                os.fork()
            except BlockingIOError:
                pass
            else:
                raise AssertionError("the fork did not fail")
        child.say(sum(row.sticky for row in arena.processes() if row.me))
        child.hear()
        del buffer
        arena.alloc(4096)
        child.say("went on")
        child.hear()

    child = start(part)
    # After the last fork failed, no process shares the slot.
    assert child.hear() == "0"
    rows = [row for row in arena.processes() if not row.me and row.pid != child.pid]
    assert not any(row.alive for row in rows)
    assert arena.reap() == len(rows)
    child.say("go on")
    assert child.hear() == "went on"
    child.kill()
    assert arena.reap() == 1
    assert arena.stats().used == 0
