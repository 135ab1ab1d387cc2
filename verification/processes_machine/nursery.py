"""A process that forks workers. Each starts without an arena, as if started by itself.

    python -m verification.processes_machine.nursery DESCRIPTOR

Used by the machine and by tests/sharing.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pagebuddy
from verification.processes_machine.wire import Wire
from verification.processes_machine.worker import Worker

_PROGRAM = ("-m", "verification.processes_machine.nursery")


class Refused(Exception):
    """A worker raised an error; `kind` is the error's name."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Pupil:
    """A worker as the machine sees it. `call` requests an operation."""

    def __init__(self, engine: str, wire: Wire) -> None:
        self.engine = engine
        self.wire = wire
        self.pidfd = -1

    def known_as(self, pid: int) -> None:
        """Store the worker's process id, so that its end can be awaited."""
        self.pidfd = os.pidfd_open(pid)

    def call(self, name: str, *asked: Any, fds: tuple[int, ...] = ()) -> Any:
        """Request an operation and return its result. Raises `Refused`; EOFError if it died."""
        self.wire.say((name, asked), *fds)
        return self.answer()

    def answer(self) -> Any:
        """Return the worker's answer. Raises as `call` does."""
        (done, told), _ = self.wire.hear()
        if not done:
            raise Refused(*told)
        return told

    def end(self) -> None:
        """Kill the worker if it is alive, and wait until it is gone and its leases have ended."""
        if self.pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self.wait()
            os.close(self.pidfd)
            self.pidfd = -1
        self.wire.close()

    def wait(self) -> None:
        """Wait until the worker has ended, and with it its address space."""
        select.select([self.pidfd], [], [])


class Nursery:
    """Forks workers of one engine, "compiled" or "uncompiled". `said` is their output on stderr.

    `program` is run by the interpreter instead of this file, for workers with a deliberate fault.
    """

    def __init__(self, engine: str, program: Sequence[str] = _PROGRAM) -> None:
        self.engine = engine
        self.wire, other = Wire.pair()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # open until `close`
        environment = dict(os.environ)
        environment.pop("PAGEBUDDY_PURE", None)
        if engine == "uncompiled":
            environment["PAGEBUDDY_PURE"] = "1"
        else:
            environment["PAGEBUDDY_REQUIRE_COMPILED"] = "1"
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", *program, str(other.fileno())],
            env=environment,
            pass_fds=[other.fileno()],
            stderr=self._said,
        )
        other.close()

    def bear(self) -> Pupil:
        """Return a new worker, without an arena."""
        ours, theirs = Wire.pair()
        self.wire.say(None, theirs.fileno())
        theirs.close()
        pupil = Pupil(self.engine, ours)
        pupil.known_as(self.wire.hear()[0])
        return pupil

    @property
    def said(self) -> str:
        """The output on stderr so far."""
        self._said.seek(0)
        return self._said.read().decode()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *failure: object) -> None:
        self.wire.close()
        self._process.wait()
        self._said.close()


def bear_workers(wire: Wire) -> None:
    """Fork a worker for each message: the main loop of a nursery's process."""
    # No zombies: the machine awaits the ends of workers through pidfds.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        try:
            _, (fd,) = wire.hear()
        except EOFError:
            return
        pid = os.fork()
        if pid == 0:
            wire.close()
            Worker(Wire.of(fd)).serve()
        os.close(fd)
        wire.say(pid)


if __name__ == "__main__":
    assert ("PAGEBUDDY_PURE" not in os.environ) == pagebuddy.COMPILED
    bear_workers(Wire.of(int(sys.argv[1])))
