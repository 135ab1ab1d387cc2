"""Real processes are killed: uncompiled before a given store, compiled at any instruction.

A worker is this file as a script. It writes a line before each operation:

    python tests/sharing/test_kills.py NAME SEED STORES
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from pagebuddy import Arena as ChosenArena
from pagebuddy import OutOfPages
from pagebuddy.testing.crash import Budget, engine_of_the_mortal

PAGE = 4096
N_PAGES = 200
AT_ONCE = 2
PATIENCE = 60  # seconds to wait for the arena's lock; a lock lost with its holder is never free


# A worker


def kill_myself():
    os.kill(os.getpid(), signal.SIGKILL)


def work(name, seed, stores):
    """Perform random operations until killed: by the parent, or before a given store."""
    engine, budget = ChosenArena, Budget(end=kill_myself)
    if stores:
        own = {"_engine": engine_of_the_mortal(budget)}
        engine = type("Arena", (ChosenArena,), own)
    arena = engine.attach(name)
    if stores:
        budget.left = budget.spent + stores
    chance = random.Random(seed)
    mine = [arena.alloc(PAGE) for _ in range(5)]
    for i in range(1 << 60):
        if i % 5 == 0:
            os.write(1, b"\n")
        with suppress(OutOfPages, LookupError, ValueError, BufferError):
            act(arena, chance, mine)


def act(arena, chance, mine):
    """Perform one operation with random arguments."""
    key = chance.choice("abc")
    size = chance.choice([1, 1, 2, 3, 9, 40]) * PAGE
    what = chance.randrange(14)
    if what < 4 and len(mine) < 12:
        mine.append(arena.alloc(size, align=chance.choice([None, None, 8 * PAGE])))
        mine[-1].view[:8] = b"worker's"
    elif what < 6 and len(mine) > 3:
        mine.pop(chance.randrange(len(mine)))
    elif what == 6:
        chance.choice(mine).keep(key, replace=chance.random() < 0.5)
    elif what == 7:
        arena[key].unkeep()
    elif what == 8:
        mine.append(arena[key])
    elif what == 9:
        chance.choice(mine).resize(size)
    elif what == 10:
        chance.choice([arena.reap, arena.verify, arena.stats, arena.trim])()
    elif what == 11:
        data = pickle.dumps(chance.choice(mine))
        if chance.random() < 0.7:
            mine.append(pickle.loads(data))
    elif what == 12:
        arena.reap(unclaimed_after=0)
    else:
        ChosenArena.attach(arena.fileno()).close()
        mine.append(arena.buffer_at(chance.choice(mine).offset))


# The parent


class Parent:
    """A process that survives, and holds buffers with a pattern in each."""

    def __init__(self, Arena, engine, name, lock):
        self.engine, self.name = engine, name
        self.arena = Arena.create(name, N_PAGES * PAGE, lock=lock)
        self.buffers = [self.arena.alloc(n * PAGE) for n in (1, 5, 2, 9, 30)]
        for buffer in self.buffers:
            buffer.view[:] = self.pattern(buffer)
        self.buffers[-1].keep("mine")

    @staticmethod
    def pattern(buffer):
        return random.Random(buffer.offset).randbytes(buffer.nbytes)

    def start(self, seed, stores=0):
        command = [sys.executable, __file__, self.name, str(seed), str(stores)]
        pure = {"PAGEBUDDY_PURE": "1"} if self.engine == "uncompiled" else {}
        return subprocess.Popen(
            command,
            env=os.environ | pure,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def go_on(self):
        """Use the arena after a kill. It must be valid, and the parent's buffers intact."""
        with suppress(OutOfPages):
            self.arena.alloc(PAGE, timeout=PATIENCE)
        self.arena.verify()
        for buffer in self.buffers:
            assert bytes(buffer.view) == self.pattern(buffer)

    def check_nothing_else_is_left(self):
        """After all other processes are dead and reaped, only the parent's and kept buffers are left."""
        self.arena.reap(unclaimed_after=0)
        for key in "abc":
            with suppress(KeyError):
                self.arena[key].unkeep()
        mine = [(buffer.offset, buffer.nbytes // PAGE) for buffer in self.buffers]
        assert sorted((row.offset, row.n_pages) for row in self.arena.buffers()) == sorted(mine)
        assert [row.slot for row in self.arena.processes()] == [1]
        self.arena.verify()


@pytest.fixture(params=["mutex", "file"])
def parent(request, Arena, engine):
    if engine == "uncompiled" and request.param == "mutex":
        pytest.skip("the uncompiled engine has no mutex")
    name = f"pagebuddy-kills-{os.getpid()}"
    parent = Parent(Arena, engine, name, request.param)
    yield parent
    parent.arena.unlink()


def ended(process):
    """Wait for a process that was killed. It must have printed nothing else."""
    errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors) == (-signal.SIGKILL, b"")


def test_a_process_killed_at_any_instruction_breaks_and_leaks_nothing(parent, engine, effort):
    chance = random.Random(5)
    n_kills = effort.pick(16, 50) if engine == "compiled" else effort.pick(6, 16)
    processes = [parent.start(seed) for seed in range(AT_ONCE)]
    for seed in range(AT_ONCE, n_kills + AT_ONCE):
        process = processes.pop(0)
        for _ in range(chance.randrange(1, 60)):
            process.stdout.readline()
        process.kill()
        parent.go_on()
        ended(process)
        processes.append(parent.start(seed))
    for process in processes:
        process.kill()
        ended(process)
    parent.go_on()
    parent.check_nothing_else_is_left()


@pytest.mark.parametrize("parent", ["file"], indirect=True)
def test_a_process_killed_before_a_store_breaks_and_leaks_nothing(parent, effort):
    """The worker is uncompiled, with either engine in the parent."""
    chance = random.Random(6)
    for seed in range(effort.pick(6, 12)):
        ended(parent.start(seed, chance.randrange(1, 3000)))
        parent.go_on()
    parent.check_nothing_else_is_left()


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
