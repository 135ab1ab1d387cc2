"""Start and kill the processes of a storm, and check what is left. Used by `__main__`."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from verification.storm import pattern
from verification.storm.worker import Worker

UNCLAIMED_AFTER = 5.0


@dataclass
class Aftermath:
    """The result of a storm: the kills, what the workers printed, and figures of the arena."""

    killed: int
    reaped: int
    said: str
    ends: dict[int, int]
    used_at_most: int
    used: int
    longest_reap: float

    @property
    def is_calm(self) -> bool:
        """Whether nothing went wrong and every page was freed."""
        return not self.said and not self.used and set(self.ends) <= {-signal.SIGKILL}


class Storm:
    """Workers that share one arena, and are killed and replaced at random."""

    def __init__(self, arena: Any, processes: int, limit: float) -> None:
        self.arena = arena
        self.limit = limit
        adopt_orphans()
        self.sending, self.receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.sending, self.receiving):
            end.setblocking(False)
        self.said = tempfile.TemporaryFile()  # noqa: SIM115  # open until the storm ends
        self.ends: dict[int, int] = {}
        self.killed = 0
        # What is imported for objects is imported before the workers are forked.
        arena.objects.clear()
        self.pids = [self.begin() for _ in range(processes)]

    def begin(self) -> int:
        """Start one worker. Return its process id."""
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            os.dup2(self.said.fileno(), 2)
            Worker(self.arena, self.sending, self.receiving).work(self.limit)
        return pid

    def end(self, i: int) -> None:
        """Kill a worker and the children that it forked. Wait until the worker has ended."""
        pid = self.pids[i]
        for kill in (os.killpg, os.kill):
            try:
                kill(pid, signal.SIGKILL)
                break
            except ProcessLookupError:
                continue
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.ends[status] = self.ends.get(status, 0) + 1
        self.killed += 1

    def rage(self, seconds: float, every: float, tell: Callable[[float, int], None]) -> Aftermath:
        """Kill and replace one worker after the other, then kill all. Return what is left."""
        begun = time.monotonic()
        next_reap, reaped, most, longest = begun + 1, 0, 0, 0.0
        while time.monotonic() - begun < seconds and not self.is_over():
            time.sleep(every)
            i = random.randrange(len(self.pids))
            self.end(i)
            self.pids[i] = self.begin()
            if time.monotonic() >= next_reap:
                before = time.monotonic()
                reaped += self.arena.reap(unclaimed_after=UNCLAIMED_AFTER)
                longest = max(longest, time.monotonic() - before)
                most = max(most, self.arena.stats().used)
                next_reap += 1
                tell(time.monotonic() - begun, self.killed)
        for i in range(len(self.pids)):
            self.end(i)
        wait_for_all()
        self.arena.verify()
        for key, thing in self.arena.objects.items():
            if thing["key"] != key or not pattern.is_sound(thing["view"]):
                raise AssertionError(f"wrong object under {key}")
        thing = None
        self.arena.objects.clear()
        reaped += self.arena.reap(unclaimed_after=0)
        self.arena.verify()
        self.said.seek(0)
        return Aftermath(
            self.killed,
            reaped,
            self.said.read().decode(),
            self.ends,
            most,
            self.arena.stats().used,
            longest,
        )

    def is_over(self) -> bool:
        """Whether a worker found something wrong and ended by itself."""
        return os.fstat(self.said.fileno()).st_size > 0


def adopt_orphans() -> None:
    """Become the parent of the children of killed workers, to be able to wait for them."""
    _PRCTL(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_all() -> None:
    """Wait until every child process is gone. A killed process keeps its holds until then."""
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


_SET_CHILD_SUBREAPER = 36
_PRCTL = ctypes.CDLL(None).prctl
