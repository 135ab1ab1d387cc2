"""A storm in a pool: its workers are stopped and killed at random while they run calls.

    python -m verification.storm.pool --seconds 60

Each call notes in a file that all processes map which worker began it, when, and that it ended. In the
end every call has its result, or was lost with `WorkerDied`. A call that was lost is the last one that
its worker began, no worker loses more than one, and no call ran twice. Used by `make storm` and
tests/verification/test_storm.py.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pagebuddy import COMPILED, Arena, ArenaExecutor, WorkerDied
from verification.storm import pattern
from verification.storm.calls import KINDS, MOST_CALLS, Notes, begin, is_right, work

OUTSTANDING = 100
LONGEST_STOP_S = 0.3


class Weather(threading.Thread):
    """Stops and kills one worker after the other."""

    def __init__(self, folder: Path, every: float) -> None:
        super().__init__(daemon=True)
        self.workers = folder / "workers"
        self.every = every
        self.over = threading.Event()
        self.killed: set[int] = set()
        self.n_stopped = 0

    def run(self) -> None:
        while not self.over.wait(self.every * random.random() * 2):
            there = [int(path.name) for path in self.workers.iterdir()]
            if there:
                with suppress(ProcessLookupError):
                    self.strike(random.choice(there))

    def strike(self, worker: int) -> None:
        """Kill a worker, or stop it and let it continue, or kill it while it is stopped."""
        how = random.choice(("kill", "kill", "stop", "stop and kill"))
        if how != "kill":
            os.kill(worker, signal.SIGSTOP)
            self.n_stopped += 1
            self.over.wait(random.random() * LONGEST_STOP_S)
        if how == "stop":
            os.kill(worker, signal.SIGCONT)
        else:
            os.kill(worker, signal.SIGKILL)
            self.killed.add(worker)
            (self.workers / str(worker)).unlink()


class Aftermath(NamedTuple):
    """The result of a storm."""

    killed: int
    stopped: int
    n_calls: int
    n_lost: int
    longest_wait: float
    wrong: list[str]
    left: tuple[int, int, int]  # pages, tickets, processes

    @property
    def is_calm(self) -> bool:
        """Whether nothing went wrong."""
        return not self.wrong and self.left == (0, 0, 1)


class Storm:
    """A pool under load, whose workers are killed."""

    def __init__(self, arena: Any, workers: int, start: str, limit: float, folder: Path) -> None:
        self.arena = arena
        self.limit = limit
        self.folder = folder
        self.notes = Notes(folder)
        self.wrong: list[str] = []
        self.lost: set[int] = set()
        self.kinds: list[str] = []
        self.choice = random.Random()
        self.longest_wait = 0.0
        context = multiprocessing.get_context(start)
        if start == "forkserver":
            context.set_forkserver_preload(["verification.storm.calls"])
        self.pool = ArenaExecutor(workers, context, begin, (folder,), arena=arena)

    def rage(self, seconds: float, every: float) -> Aftermath:
        """Call and kill for so long; wait for all calls; return what is left."""
        weather = Weather(self.folder, every)
        pending: dict[Future[Any], int] = {}
        with self.pool:
            weather.start()
            end = time.monotonic() + seconds
            while time.monotonic() < end and not self.wrong and len(self.kinds) < MOST_CALLS - 200:
                while len(pending) < OUTSTANDING:
                    pending.update(self.submitted(self.choice.choice((1, 1, 1, 50))))
                self.collect(pending)
            weather.over.set()
            weather.join()
            while pending and not self.wrong:
                self.collect(pending)
            if self.wrong:
                # Not to wait for what may never end.
                self.pool.kill_workers()
        n_left = len(pending)
        pending.clear()
        if n_left:
            self.wrong.append(f"{n_left} calls have not ended")
        self.look_at_notes(weather.killed)
        return self.counted(weather)

    def submitted(self, n: int) -> dict[Future[Any], int]:
        """Submit one call, or so many short ones."""
        kinds = [self.choice.choice(KINDS)] if n == 1 else ["short"] * n
        futures: dict[Future[Any], int] = {}
        for kind in kinds:
            number = len(self.kinds)
            self.kinds.append(kind)
            future = self.pool.submit(work, number, kind, self.argument(number, kind))
            futures[future] = number
        return futures

    def argument(self, number: int, kind: str) -> Any:
        """Something to send: nothing, an array, one that is in the arena, or one in a dict."""
        if kind in ("short", "pause"):
            return None
        n_bytes = self.choice.choice((100, 5000, 70_000, 500_000))
        array = (
            np.empty(n_bytes, "u1") if kind == "copied array" else self.arena.empty(n_bytes, "u1")
        )
        pattern.write(memoryview(array), number)
        return {"array": array, "text": "y" * 5000} if kind == "frame" else array

    def collect(self, pending: dict[Future[Any], int]) -> None:
        """Take the calls that have ended."""
        begun = time.monotonic()
        done = wait(pending, self.limit, FIRST_COMPLETED).done
        self.longest_wait = max(self.longest_wait, time.monotonic() - begun)
        if not done:
            self.wrong.append(f"no call ended for {self.limit} s")
        for future in done:
            number = pending.pop(future)
            try:
                if not is_right(number, self.kinds[number], future.result()):
                    self.wrong.append(f"call {number} returned something else")
                if not self.notes.calls[number]["ended"]:
                    self.wrong.append(f"call {number} has a result and did not end")
            except WorkerDied as error:
                self.lost.add(number)
                if "SIGKILL" not in str(error):
                    self.wrong.append(f"call {number} was lost: {error}")
            except Exception as error:
                self.wrong.append(f"call {number}: {error!r}")

    def look_at_notes(self, killed: set[int]) -> None:
        """Compare what was lost with what ran, and where."""
        calls = self.notes.calls[: len(self.kinds)]
        twice = np.flatnonzero(calls["runs"] > 1)
        if len(twice):
            self.wrong.append(f"{len(twice)} calls ran twice, such as {twice[0]}")
        if len(self.lost) > len(killed):
            self.wrong.append(f"{len(self.lost)} calls were lost, and {len(killed)} workers killed")
        last: dict[int, int] = {}
        for number in np.argsort(calls["begun"]):
            last[int(calls["worker"][number])] = int(number)
        for number in self.lost:
            worker = int(calls["worker"][number])
            # One that was killed before the first line of `work` did not note the call.
            if worker and (worker not in killed or last[worker] != number):
                self.wrong.append(f"call {number} was lost, and was not the last one of {worker}")

    def counted(self, weather: Weather) -> Aftermath:
        """Count what is left in the arena."""
        gc.collect()
        self.arena.reap()
        self.arena.verify()
        stats = self.arena.stats()
        return Aftermath(
            len(weather.killed),
            weather.n_stopped,
            len(self.kinds),
            len(self.lost),
            self.longest_wait,
            self.wrong,
            (stats.used, stats.tickets, stats.processes),
        )


def main() -> int:
    """Run one storm. Return 0 if nothing went wrong, else 1."""
    parser = argparse.ArgumentParser(prog="python -m verification.storm.pool")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--every", type=float, default=0.05, help="seconds between two strikes")
    parser.add_argument("--size", default="256 MiB", help="size of the arena")
    parser.add_argument("--lock", choices=("mutex", "file"), default=None)
    parser.add_argument("--limit", type=float, default=10.0, help="longest allowed wait in seconds")
    parser.add_argument("--start", choices=("spawn", "forkserver"), default="forkserver")
    given = parser.parse_args()
    arena = Arena(given.size, lock=given.lock)
    print(f"{'compiled' if COMPILED else 'uncompiled'}, {arena!r}, lock {given.lock or 'default'}")
    with tempfile.TemporaryDirectory() as folder:
        storm = Storm(arena, given.workers, given.start, given.limit, Path(folder))
        left = storm.rage(given.seconds, given.every)
    print(
        f"{left.killed} killed, {left.stopped} stopped, {left.n_calls} calls, {left.n_lost} lost; "
        f"the longest wait for any call {left.longest_wait:.2f} s; "
        f"pages, handles and processes left: {left.left}"
    )
    print(*left.wrong, sep="\n", end="\n" if left.wrong else "", file=sys.stderr)
    return 0 if left.is_calm else 1


if __name__ == "__main__":
    sys.exit(main())
