"""Real processes are killed: uncompiled before a given store, compiled at any instruction."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from pagebuddy import OutOfPages

WORKER = Path(__file__).with_name("worker_to_kill.py")

PAGE = 4096
N_PAGES = 200
AT_ONCE = 2
PATIENCE = 60  # seconds to wait for the arena's lock; a lock lost with its holder is never free


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
        command = [sys.executable, WORKER, self.name, str(seed), str(stores)]
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
