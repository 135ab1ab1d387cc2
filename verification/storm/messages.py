"""A storm at a queue: processes put and get while one after the other is killed.

    python -m verification.storm.messages --seconds 60

Each producer numbers its messages, and notes in memory that all share which one it begins to put, and
which it has put. Each consumer notes what it got. In the end every message that was put was received
once, except for one at most for each consumer that was killed, or its batch. Used by `make storm` and
tests/verification/test_storm.py.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from queue import Empty, Full
from typing import Any, NamedTuple, NoReturn

import numpy as np

from pagebuddy import COMPILED, Arena, OutOfPages
from verification.storm.weather import adopt_orphans, wait_for_all

NAME = "storm"
MAXSIZE = 40
BATCH = 5
# Of one producer.
MOST_NUMBERS = 1 << 16
MOST_PRODUCERS = 1 << 12
WRONG = 3


class Log:
    """What all processes note, in memory that outlives them.

    `begun` and `put` have the last number of each producer, `received` how often each number came.
    """

    def __init__(self) -> None:
        self.begun = shared(MOST_PRODUCERS, "u8")
        self.put = shared(MOST_PRODUCERS, "u8")
        self.received = shared(MOST_PRODUCERS * MOST_NUMBERS, "u1").reshape(-1, MOST_NUMBERS)


def shared(n: int, dtype: str) -> Any:
    """Return an array of zeros in memory that forked processes share."""
    return np.frombuffer(mmap.mmap(-1, n * np.dtype(dtype).itemsize), dtype)


def message_of(producer: int, number: int, kind: int) -> tuple[int, int, Any]:
    """Return a message: a short one, one with an array, or a long one that needs a pickler."""
    if kind == 0:
        return producer, number, b"%d" % (producer * number)
    array = np.full(8192 if kind == 1 else 20 + number % 2000, producer * MOST_NUMBERS + number)
    return producer, number, array if kind == 1 else {int(array[0]), "x" * (number % 9000), -1}


def is_sound(message: tuple[int, int, Any]) -> bool:
    """Whether a message is one that `message_of` returned."""
    producer, number, body = message
    if isinstance(body, bytes):
        return body == b"%d" % (producer * number)
    if isinstance(body, set):
        return bool(body == message_of(producer, number, 2)[2])
    return bool((body == producer * MOST_NUMBERS + number).all())


class Worker:
    """A process that puts or gets until it is killed."""

    def __init__(self, arena: Any, log: Log, limit: float) -> None:
        self.queue = arena.queue(NAME, maxsize=MAXSIZE)
        self.log = log
        self.limit = limit
        self.last: dict[int, int] = {}

    def produce(self, producer: int) -> NoReturn:
        """Put messages, each with the next number."""
        choice = random.Random(producer)
        for number in range(1, MOST_NUMBERS):
            message = message_of(producer, number, choice.randrange(3))
            self.log.begun[producer] = number
            self._put(message, choice.randrange(3))
            self.log.put[producer] = number
        while True:
            time.sleep(1)

    def _put(self, message: Any, how: int) -> None:
        end = time.monotonic() + self.limit
        while True:
            with suppress(Full, OutOfPages):
                self.queue.put(message, block=how > 0, timeout=[0.001, 0.05, None][how])
                return
            if time.monotonic() > end:
                self.wrong(f"could not put for {self.limit} s")

    def consume(self, seed: int) -> NoReturn:
        """Get messages in all ways, and note them."""
        choice = random.Random(seed)
        end = time.monotonic() + self.limit
        while True:
            with suppress(Empty):
                if is_batched(seed):
                    got = self.queue.get_many(choice.randrange(1, BATCH + 1), timeout=0.05)
                else:
                    got = [self.queue.get(choice.random() < 0.8, timeout=0.05)]
                for message in got:
                    self.note(message)
                end = time.monotonic() + self.limit
            if time.monotonic() > end:
                self.wrong(f"got nothing for {self.limit} s")

    def note(self, message: tuple[int, int, Any]) -> None:
        """Check a message, and note that it was received."""
        producer, number, _ = message
        if not is_sound(message):
            self.wrong(f"message {number} of {producer} is not what was put")
        if self.log.received[producer, number]:
            self.wrong(f"message {number} of {producer} came twice")
        if number <= self.last.get(producer, 0):
            self.wrong(f"message {number} of {producer} came after {self.last[producer]}")
        self.log.received[producer, number] += 1
        self.last[producer] = number

    def wrong(self, what: str) -> NoReturn:
        """Say what is wrong, and end."""
        print(what, file=sys.stderr, flush=True)
        os._exit(WRONG)


def is_batched(seed: int) -> bool:
    """Whether a consumer gets several messages at once."""
    return seed % 3 == 0


class Aftermath(NamedTuple):
    """The result of a storm."""

    killed: int
    ends: dict[int, int]
    said: str
    n_put: int
    n_received: int
    n_missing: int
    may_be_missing: int
    left: tuple[int, int]  # pages and tickets

    @property
    def is_calm(self) -> bool:
        """Whether nothing went wrong."""
        return (
            not self.said
            and set(self.ends) <= {-signal.SIGKILL}
            and self.n_missing <= self.may_be_missing
            and self.left == (0, 0)
        )


class Storm:
    """Producers and consumers at one queue, killed and replaced at random."""

    def __init__(self, arena: Any, processes: int, limit: float) -> None:
        self.arena = arena
        self.limit = limit
        self.log = Log()
        self.said = tempfile.TemporaryFile()  # noqa: SIM115  # open until the storm ends
        self.ends: dict[int, int] = {}
        self.n_begun = 0
        self.may_be_missing = 0
        adopt_orphans()
        self.queue = arena.queue(NAME, maxsize=MAXSIZE)
        self.pids = [self.begin(i) for i in range(processes)]

    def begin(self, place: int) -> tuple[int, int]:
        """Start a worker: a producer in every other place. Return its process id and its number."""
        self.n_begun += 1
        number = self.n_begun
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(self.said.fileno(), 2)
                worker = Worker(self.arena, self.log, self.limit)
                worker.produce(number) if place % 2 else worker.consume(number)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(WRONG)
        return pid, number

    def end(self, place: int) -> None:
        """Kill a worker."""
        pid, number = self.pids[place]
        os.kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.ends[status] = self.ends.get(status, 0) + 1
        if place % 2 == 0:
            self.may_be_missing += BATCH if is_batched(number) else 1

    def rage(self, seconds: float, every: float) -> Aftermath:
        """Kill and replace one worker after the other, then kill all. Return what is left."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not os.fstat(self.said.fileno()).st_size:
            time.sleep(every * random.random() * 2)
            place = random.randrange(len(self.pids))
            self.end(place)
            self.pids[place] = self.begin(place)
        for place in range(len(self.pids)):
            self.end(place)
        wait_for_all()
        self.arena.verify()
        return self.counted()

    def counted(self) -> Aftermath:
        """Get what is left in the queue, and count all messages."""
        own = Worker(self.arena, self.log, self.limit)
        with suppress(Empty):
            while True:
                own.note(self.queue.get(timeout=0.2))
        own.queue.close()
        self.queue.unlink()
        self.queue.close()
        self.arena.reap()
        self.arena.verify()
        n_put = n_missing = 0
        for producer in range(1, self.n_begun + 1):
            put = int(self.log.put[producer])
            n_put += put
            n_missing += int((self.log.received[producer, 1 : put + 1] == 0).sum())
        self.said.seek(0)
        stats = self.arena.stats()
        return Aftermath(
            sum(self.ends.values()),
            self.ends,
            self.said.read().decode(),
            n_put,
            int(self.log.received[: self.n_begun + 1].sum()),
            n_missing,
            self.may_be_missing,
            (stats.used, stats.tickets),
        )


def main() -> int:
    """Run one storm. Return 0 if nothing went wrong, else 1."""
    parser = argparse.ArgumentParser(prog="python -m verification.storm.messages")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--every", type=float, default=0.05, help="seconds between two kills")
    parser.add_argument("--size", default="64 MiB", help="size of the arena")
    parser.add_argument("--lock", choices=("mutex", "file"), default=None)
    parser.add_argument("--limit", type=float, default=10.0, help="longest allowed wait in seconds")
    given = parser.parse_args()
    arena = Arena(given.size, lock=given.lock)
    print(f"{'compiled' if COMPILED else 'uncompiled'}, {arena!r}, lock {given.lock or 'default'}")
    left = Storm(arena, given.processes, given.limit).rage(given.seconds, given.every)
    print(
        f"{left.killed} killed ({left.ends}), {left.n_put} messages put, {left.n_received} received, "
        f"{left.n_missing} missing of {left.may_be_missing} that may be, pages and tickets not freed: "
        f"{left.left}"
    )
    print(left.said, end="", file=sys.stderr)
    return 0 if left.is_calm else 1


if __name__ == "__main__":
    sys.exit(main())
