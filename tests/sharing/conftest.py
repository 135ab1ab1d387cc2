"""Fixtures for tests of sharing: real processes that exchange lines, and files and arenas to share."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import textwrap
import traceback
from contextlib import suppress
from pathlib import Path

import pytest

from pagebuddy import Arena as ChosenArena
from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.memory.file import File
from pagebuddy.memory.named import FOLDER, Named
from pagebuddy.sharing.system.lease import take
from pagebuddy.testing.crash import Budget, engine_of_the_mortal
from verification.stepping import stop_inside


class Child:
    """A forked process that runs a function, its part. Parent and child exchange lines through pipes."""

    def __init__(self, part):
        to_child, self._to_child = os.pipe()
        self._from_child, from_child = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._to_child)
            os.close(self._from_child)
            self._to_child, self._from_child = from_child, to_child
            status = 1
            try:
                part(self)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(to_child)
        os.close(from_child)
        self.status = None

    def say(self, word):
        """Send a line to the other side."""
        os.write(self._to_child, f"{word}\n".encode())

    def hear(self):
        """Wait for a line from the other side; return "" if it has ended."""
        word = b""
        while not word.endswith(b"\n"):
            byte = os.read(self._from_child, 1)
            if not byte:
                break
            word += byte
        return word.decode().strip()

    def pipes(self):
        """The descriptors that the process communicates through."""
        return self._to_child, self._from_child

    def kill(self):
        """Kill the process, and wait until it has ended."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self):
        """Wait until the process has ended. Return its exit status, negative for a signal."""
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status


@pytest.fixture
def start():
    """Start a process that runs a part. Processes that still run at the end of the test are killed."""
    children = []

    def start(part):
        children.append(Child(part))
        return children[-1]

    yield start
    for child in children:
        with suppress(ProcessLookupError):
            if child.status is None:
                child.kill()
        for fd in child.pipes():
            os.close(fd)


@pytest.fixture(params=["anonymous", "named", "file"])
def medium(request, tmp_path):
    """Shared memory, of each kind."""
    name = f"pagebuddy-test-{os.getpid()}"
    made = {
        "anonymous": lambda: Anonymous.make("1 MiB"),
        "named": lambda: Named.make(name, "1 MiB"),
        "file": lambda: File.make(tmp_path / "store", "1 MiB"),
    }[request.param]()
    made.publish()
    yield made
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(FOLDER, name))


@pytest.fixture
def fd(medium):
    """The file descriptor of that memory."""
    return medium.fileno()


@pytest.fixture
def holder():
    """Return a maker of parts: take the lease of a slot, say so, and hold it until told to end."""

    def holding(fd, slot=1):
        def part(child):
            child.say("taken" if take(fd, slot) else "refused")
            child.hear()

        return part

    return holding


# Arenas, and processes of each engine

# The numbers of the system calls for waiting on a word of memory, and for sleeping: nanosleep and
# clock_nanosleep; select and pselect6 on Python 3.10.
WAITING = {"x86_64": ({202}, {35, 230, 23, 270}), "aarch64": ({98}, {101, 115, 72})}


@pytest.fixture
def until_waiting():
    """Return when a process waits for the lock of an arena whose attachment it shares by fork."""
    if platform.machine() not in WAITING:
        pytest.skip("the numbers of system calls are unknown here")
    on_words, asleep = WAITING[platform.machine()]

    def until(arena, pid):
        medium = arena._attachment.medium
        words = range(medium.address, medium.address + medium.size)
        while True:
            # "running" if it is not in a system call.
            told = Path(f"/proc/{pid}/syscall").read_text().split()
            call = int(told[0]) if told[0].isdigit() else -1
            if call in asleep or (call in on_words and int(told[1], 16) in words):
                return
            os.sched_yield()

    return until


@pytest.fixture
def silent(capfd):
    """Check that this process and its children write nothing to stderr."""
    yield
    assert capfd.readouterr().err == ""


@pytest.fixture(params=["mutex", "file"])
def lock(request, engine):
    """The lock of an arena."""
    if (engine, request.param) == ("uncompiled", "mutex"):
        pytest.skip("the uncompiled engine has no mutex")
    return request.param


@pytest.fixture
def arena(silent, start, Arena, lock):
    """A small arena, which is verified at the end of the test."""
    arena = Arena("1 MiB", lock=lock)
    yield arena
    arena.reap(unclaimed_after=0)
    arena.verify()


@pytest.fixture
def stopped_in(engine):
    """Stop a process inside an operation on an arena, a number of stores after it took the lock.

    Returns the process id; the caller must kill it. With the uncompiled engine it has a second slot,
    which it got by the fork.
    """
    pids = []

    def stop_in_a_fork(arena, operation, stores):
        pid = os.fork()
        if pid == 0:
            try:
                budget = Budget(end=lambda: os.kill(os.getpid(), signal.SIGSTOP))
                own = {"_engine": engine_of_the_mortal(budget)}
                mortal = type("Arena", (ChosenArena,), own).attach(arena.fileno())
                budget.left = budget.spent + stores
                operation(mortal)
            finally:
                os._exit(3)
        assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
        return pid

    def stop(arena, operation, stores):
        if engine == "compiled":
            pids.append(stop_inside(arena, lambda: operation(arena), stores))
        else:
            pids.append(stop_in_a_fork(arena, operation, stores))
        return pids[-1]

    yield stop
    for pid in pids:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@pytest.fixture
def die_in(stopped_in):
    """Kill a process inside an operation on an arena."""

    def die(arena, operation, stores):
        pid = stopped_in(arena, operation, stores)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    return die


@pytest.fixture
def run(engine, tmp_path):
    """Run a program with the engine under test. Return its output; it must write nothing to stderr."""
    path = tmp_path / "program.py"
    environment = os.environ | ({"PAGEBUDDY_PURE": "1"} if engine == "uncompiled" else {})

    def run(program, *arguments, status=0):
        path.write_text(textwrap.dedent(program))
        done = subprocess.run(
            [sys.executable, "-W", "error", str(path), *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.stderr, done.returncode) == ("", status)
        return done.stdout

    return run
