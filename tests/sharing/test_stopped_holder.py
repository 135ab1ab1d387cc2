"""A process that is stopped while it has the lock: others wait, are told who it is, and lose nothing.

The holder is this file as a script, uncompiled, which stops itself at the store after so many:

    python tests/sharing/test_stopped_holder.py NAME STORES
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from pagebuddy import Arena as ChosenArena
from pagebuddy.testing.crash import Budget, engine_of_the_mortal

PAGE = 4096


def stop_myself():
    os.kill(os.getpid(), signal.SIGSTOP)


def hold(name, stores):
    """Stop inside of an allocation; when let go on, finish it, and tell."""
    budget = Budget(end=stop_myself)
    own = {"_engine": engine_of_the_mortal(budget)}
    arena = type("Arena", (ChosenArena,), own).attach(name)
    budget.left = budget.spent + stores
    buffer = arena.alloc(3 * PAGE)
    os.write(1, f"{buffer.offset}\n".encode())
    sys.stdin.read()


class Holder:
    def __init__(self, name, stores):
        self.process = subprocess.Popen(
            [sys.executable, __file__, name, str(stores)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def go_on(self):
        """Let it go on; the offset of its buffer."""
        self.process.send_signal(signal.SIGCONT)
        return int(self.process.stdout.readline())


@pytest.fixture
def arena(Arena):
    name = f"pagebuddy-stopped-{os.getpid()}"
    arena = Arena.create(name, 32 * PAGE, lock="file")
    arena.name = name
    yield arena
    arena.unlink()


@pytest.fixture
def holder(arena):
    """Stopped after its third store: the first says that it is at work."""
    holder = Holder(arena.name, 3)
    yield holder
    holder.process.kill()
    holder.process.communicate()


def test_who_waits_is_told_whom_for(arena, holder):
    with pytest.raises(TimeoutError, match=f"process {holder.process.pid} has it"):
        arena.alloc(PAGE, timeout=0.01)
    offset = holder.go_on()
    assert arena.alloc(PAGE, timeout=60).offset != offset
    arena.verify()


def test_a_buffer_that_ends_meanwhile_ends_later(arena):
    mine = arena.alloc(5 * PAGE)
    holder = Holder(arena.name, 3)
    del mine
    holder.go_on()
    assert [row.n_pages for row in arena.buffers()] == [3]
    holder.process.kill()
    holder.process.communicate()
    assert arena.reap() == 1
    assert arena.stats().used == 0
    arena.verify()


def test_who_is_killed_where_it_was_stopped_is_taken_over(arena, holder):
    with pytest.raises(TimeoutError):
        arena.alloc(PAGE, timeout=0)
    holder.process.kill()
    holder.process.communicate()
    buffer = arena.alloc(PAGE, timeout=60)
    arena.verify()
    assert arena.reap() == 1
    assert [row.offset for row in arena.buffers()] == [buffer.offset]


if __name__ == "__main__":
    hold(sys.argv[1], int(sys.argv[2]))
