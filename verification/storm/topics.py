"""A storm at a topic: processes publish and read while one after the other is killed.

    python -m verification.storm.topics --seconds 60 --policy block

Each publisher numbers its messages. A subscriber checks that those of one publisher come in order, and
that it counted what it missed. Used by `make storm` and tests/verification/test_storm.py.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full
from typing import Any, NoReturn

from pagebuddy import COMPILED, Arena, OutOfPages
from verification.storm.messages import MOST_PRODUCERS, WRONG, is_sound, message_of, shared
from verification.storm.weather import adopt_orphans, wait_for_all

NAME = "storm"
HISTORY = 20


class Worker:
    """A process that publishes or reads until it is killed."""

    def __init__(self, arena: Any, policy: str, limit: float, counts: Any) -> None:
        self.counts = counts
        self.topic = arena.topic(NAME, history=HISTORY, policy=policy)
        self.policy = policy
        self.limit = limit

    def publish(self, publisher: int) -> NoReturn:
        """Publish messages, each with the next number."""
        choice = random.Random(publisher)
        number = 0
        end = time.monotonic() + self.limit
        while True:
            message = message_of(publisher, number + 1, choice.randrange(3))
            with suppress(Full, OutOfPages):
                self.topic.publish(message, timeout=0.05)
                number += 1
                self.counts[publisher, 0] = number
                end = time.monotonic() + self.limit
            if time.monotonic() > end:
                self.wrong(f"could not publish for {self.limit} s")

    def read(self, seed: int) -> NoReturn:
        """Read messages of one subscription after the other."""
        choice = random.Random(seed)
        while True:
            with self.topic.subscribe(replay=choice.choice([0, 3])) as messages:
                self.follow(messages, choice.randrange(1, 2000), seed)

    def follow(self, messages: Any, n: int, seed: int) -> None:
        """Read so many messages, and compare the numbers with the count of those that were missed."""
        last: dict[int, int] = {}
        skipped = 0
        end = time.monotonic() + self.limit
        while n:
            try:
                message = messages.get(timeout=0.05)
            except Empty:
                if time.monotonic() > end:
                    self.wrong(f"read nothing for {self.limit} s")
                continue
            end = time.monotonic() + self.limit
            publisher, number, _ = message
            if not is_sound(message):
                self.wrong(f"message {number} of {publisher} is not what was published")
            before = last.get(publisher, number - 1)
            if number <= before:
                self.wrong(f"message {number} of {publisher} came after {before}")
            skipped += number - before - 1
            last[publisher] = number
            n -= 1
            self.counts[seed, 1] += 1
        missed = messages.missed
        if skipped > missed or (missed and self.policy == "block"):
            self.wrong(f"{skipped} messages did not come, and {missed} count as missed")

    def wrong(self, what: str) -> NoReturn:
        """Say what is wrong, and end."""
        print(what, file=sys.stderr, flush=True)
        os._exit(WRONG)


class Storm:
    """Publishers and subscribers at one topic, killed and replaced at random."""

    def __init__(self, arena: Any, processes: int, policy: str, limit: float) -> None:
        self.arena = arena
        self.policy = policy
        self.limit = limit
        self.said = tempfile.TemporaryFile()  # noqa: SIM115  # open until the storm ends
        self.ends: dict[int, int] = {}
        self.n_begun = 0
        # What each worker published, and read.
        self.counts = shared(2 * MOST_PRODUCERS, "u8").reshape(-1, 2)
        adopt_orphans()
        self.pids = [self.begin(place) for place in range(processes)]

    def begin(self, place: int) -> int:
        """Start a worker: a publisher in every third place. Return its process id."""
        self.n_begun += 1
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(self.said.fileno(), 2)
                worker = Worker(self.arena, self.policy, self.limit, self.counts)
                play: Callable[[int], NoReturn] = worker.read if place % 3 else worker.publish
                play(self.n_begun)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(WRONG)
        return pid

    def end(self, place: int) -> None:
        """Kill a worker."""
        os.kill(self.pids[place], signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pids[place], 0)[1])
        self.ends[status] = self.ends.get(status, 0) + 1

    def rage(self, seconds: float, every: float) -> tuple[str, tuple[int, int]]:
        """Kill and replace one worker after the other. Return what was said, and pages and tickets."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not os.fstat(self.said.fileno()).st_size:
            time.sleep(every * random.random() * 2)
            place = random.randrange(len(self.pids))
            self.end(place)
            self.pids[place] = self.begin(place)
        for place in range(len(self.pids)):
            self.end(place)
        wait_for_all()
        self.arena.topic(NAME).unlink()
        self.arena.reap()
        self.arena.verify()
        self.said.seek(0)
        stats = self.arena.stats()
        return self.said.read().decode(), (stats.used, stats.tickets)


def main() -> int:
    """Run one storm. Return 0 if nothing went wrong, else 1."""
    parser = argparse.ArgumentParser(prog="python -m verification.storm.topics")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--every", type=float, default=0.05, help="seconds between two kills")
    parser.add_argument("--size", default="64 MiB", help="size of the arena")
    parser.add_argument("--lock", choices=("mutex", "file"), default=None)
    parser.add_argument("--policy", choices=("drop", "block"), default="drop")
    parser.add_argument("--limit", type=float, default=10.0, help="longest allowed wait in seconds")
    given = parser.parse_args()
    arena = Arena(given.size, lock=given.lock)
    print(f"{'compiled' if COMPILED else 'uncompiled'}, {arena!r}, lock {given.lock or 'default'}")
    storm = Storm(arena, given.processes, given.policy, given.limit)
    said, left = storm.rage(given.seconds, given.every)
    published, read = storm.counts.sum(axis=0)
    print(
        f"policy {given.policy}, killed {storm.ends}, {published} messages published, {read} read, "
        f"pages and tickets not freed: {left}"
    )
    print(said, end="", file=sys.stderr)
    return int(bool(said) or left != (0, 0) or not set(storm.ends) <= {-signal.SIGKILL})


if __name__ == "__main__":
    sys.exit(main())
