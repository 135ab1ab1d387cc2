"""Which processes count as alive, and which as dead: running, stopped, zombie, exec'ed, killed."""

from __future__ import annotations

import os
import signal
import threading

import pytest


def hold(arena, n_pages):
    """Make a part: hold so many pages until told to end."""

    def part(child):
        buffer = arena.alloc(n_pages * 4096)
        child.say(buffer.nbytes)
        child.hear()

    return part


def become_cat(child):
    """Exec a program that echoes its input."""
    to_us, from_us = child.pipes()
    os.dup2(from_us, 0)
    os.dup2(to_us, 1)
    os.execv("/bin/cat", ["cat"])


def test_processes_are_reported_as_alive_or_dead(arena, start):
    def execs(child):
        buffer = arena.alloc(4 * 4096)
        child.say(buffer.nbytes)
        child.hear()
        become_cat(child)

    running, stopped, zombie, killed = (start(hold(arena, n)) for n in (1, 2, 3, 5))
    execed = start(execs)
    for child in (running, stopped, zombie, killed, execed):
        child.hear()
    os.kill(stopped.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
    os.kill(zombie.pid, signal.SIGKILL)
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    killed.kill()
    execed.say("now")
    execed.say("are you a cat?")
    assert execed.hear() == "are you a cat?"

    rows = {row.pid: row for row in arena.processes()}
    told = {pid: (row.alive, row.me, row.nbytes // 4096) for pid, row in rows.items()}
    assert told == {
        os.getpid(): (True, True, 0),
        running.pid: (True, False, 1),
        stopped.pid: (True, False, 2),
        zombie.pid: (False, False, 3),
        execed.pid: (False, False, 4),
        killed.pid: (False, False, 5),
    }
    assert (arena.stats().processes, arena.stats().dead, arena.stats().used) == (6, 3, 15)
    for reaped, used in ((3, 3), (0, 3)):
        assert arena.reap() == reaped
        assert {row.pid for row in arena.processes()} == {os.getpid(), running.pid, stopped.pid}
        assert arena.stats().used == used
    # The exec'ed process still runs, but is not attached to the arena.
    execed.say("still?")
    assert execed.hear() == "still?"
    os.kill(stopped.pid, signal.SIGCONT)
    stopped.say("end")
    assert stopped.wait() == 0
    assert arena.reap() in (0, 1)
    assert arena.stats().used == 1


def test_slots_of_dead_processes_are_available(silent, start, Arena, lock, name):
    """Attaching, forking and allocating all succeed."""

    def stranger(child):
        child.hear()
        child.say(len(Arena.attach(name).processes()))
        child.hear()

    first = start(stranger)
    arena = Arena.create(name, "1 MiB", lock=lock)

    def fill():
        children = [start(hold(arena, 1)) for _ in range(46)]
        for child in children:
            child.hear()
        for child in children:
            child.kill()
        assert (arena.stats().processes, arena.stats().dead) == (47, 46)

    fill()
    first.say("attach")
    assert first.hear() == "2"
    first.say("end")
    assert first.wait() == 0
    arena.reap()

    fill()
    assert start(hold(arena, 5)).hear() == str(5 * 4096)
    assert [row.sticky for row in arena.processes()] == [False, False]

    arena.reap()
    assert arena.stats().used == 5


def test_the_arena_survives_an_exec_while_threads_use_it(arena, start):
    """Exec ends the other threads anywhere, perhaps with the lock. The next process takes over."""
    kept = arena.alloc(5)
    kept.view[:] = b"hello"

    def part(child):
        over = threading.Event()

        def work():
            while not over.is_set():
                arena.alloc(5000)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        arena.alloc(5000)
        become_cat(child)

    for _ in range(10):
        child = start(part)
        child.say("are you a cat?")
        assert child.hear() == "are you a cat?"
        arena.alloc(5000, timeout=60)
        assert [row.alive for row in arena.processes() if not row.me] == [False]
        assert arena.reap() == 1
        arena.verify()
        assert (arena.stats().used, bytes(kept.view)) == (1, b"hello")


@pytest.mark.parametrize("reaps", [1, 4])
def test_several_processes_can_reap_at_the_same_time(arena, start, reaps):
    """Each dead process is counted by one of them, and reaped once."""
    dead = [start(hold(arena, 2)) for _ in range(10)]
    for child in dead:
        child.hear()

    def reaper(child):
        child.hear()
        child.say(arena.reap())
        child.hear()

    reapers = [start(reaper) for _ in range(reaps)]
    for child in dead:
        child.kill()
    for child in reapers:
        child.say("go")
    assert sum(int(child.hear()) for child in reapers) == 10
    assert arena.stats().used == 0
    arena.verify()
