"""Measure queues and topics beside what else there is; print a table.

    python -m benchmarks.messages
    python -m benchmarks.messages --rounds 15 --json out/messages.json

Each round measures every row once, one after the other; the table shows medians, and ratios of medians.
Everything runs between processes that were forked from this one. What is not installed has no row.

awake     the receiver looks for the message when it comes; asleep: it has slept for some milliseconds
in place  the array lies in the arena already; copied in: it is copied there first
bare ring a ring of 64-bit numbers in C with two futexes (`futex_ring.c`): no library can be faster
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import described
from pagebuddy import Arena

FORK = get_context("fork")
SIZES = {"4 KiB": 4 << 10, "64 KiB": 64 << 10, "1 MiB": 1 << 20}
N_MESSAGES = 40_000
N_TRIPS = 200
N_TRIPS_ASLEEP = 40
N_PUBLISHED = 4_000
# With --short, so many times fewer.
SHORTER = 20
IDLE_S = 1.0
PAUSE_S = 0.003

Figures = dict[str, float]


@contextmanager
def running(*parts: Callable[[], object]) -> Iterator[None]:
    """Run parts in processes of their own; wait for their ends."""
    processes = [FORK.Process(target=part, daemon=True) for part in parts]
    for process in processes:
        process.start()
    try:
        yield
        for process in processes:
            process.join(60)
    finally:
        for process in processes:
            process.kill()


# -- rates -------------------------------------------------------------------------------------------


def rate(put: Callable[[int], None], get: Callable[[int], None], n_each: int) -> float:
    """Messages in a second, from so many producers to as many consumers."""
    n = N_MESSAGES // n_each
    begin = FORK.Barrier(2 * n_each + 1)

    def after(work: Callable[[int], None]) -> Callable[[], None]:
        def part() -> None:
            begin.wait()
            work(n)

        return part

    with running(*[after(put)] * n_each, *[after(get)] * n_each):
        begin.wait()
        start = time.perf_counter()
    return n * n_each / (time.perf_counter() - start)


def loops(put: Callable[[Any], object], get: Callable[[], object]) -> tuple[Any, Any]:
    """The loops of a producer and a consumer."""

    def put_all(n: int) -> None:
        for number in range(n):
            put(number)

    def get_all(n: int) -> None:
        for _ in range(n):
            get()

    return put_all, get_all


def rates() -> Iterator[tuple[str, float]]:
    """Short messages in a second."""
    for n_each, name in ((1, "one to one"), (2, "two to two")):
        queue = Arena("64 MiB").queue()
        yield f"messages/s {name}: arena.queue", rate(*loops(queue.put, queue.get), n_each)
        theirs = FORK.Queue()
        # Its thread must have sent all before the process ends, as `Process` ensures.
        yield f"messages/s {name}: Queue", rate(*loops(theirs.put, theirs.get), n_each)
        with suppress(ImportError):
            fast = import_module("faster_fifo").Queue(1 << 20)
            yield f"messages/s {name}: faster-fifo", rate(*loops(fast.put, fast.get), n_each)
    receiver, sender = FORK.Pipe(duplex=False)
    yield "messages/s one to one: Pipe", rate(*loops(sender.send, receiver.recv), 1)
    queue = Arena("64 MiB").queue()

    def put_many(n: int) -> None:
        queue.put_many(range(n))

    def get_many(n: int) -> None:
        left = n
        while left:
            left -= len(queue.get_many(min(100, left)))

    yield "messages/s get_many of 100: arena.queue", rate(put_many, get_many, 1)


# -- round trips -------------------------------------------------------------------------------------


def trips(
    send: Callable[[Any], object],
    receive: Callable[[], Any],
    reply: Callable[[Any], object],
    answer: Callable[[], Any],
    thing: object,
) -> tuple[float, float]:
    """Seconds of a round trip, while the receiver is awake, and when it sleeps: medians."""

    def part() -> None:
        while (array := receive()) is not None:
            reply(int(array[0]))

    def trip() -> float:
        start = time.perf_counter()
        send(thing)
        answer()
        return time.perf_counter() - start

    def asleep() -> float:
        time.sleep(PAUSE_S)
        return trip()

    with running(part):
        awake = statistics.median(trip() for _ in range(N_TRIPS))
        slept = statistics.median(asleep() for _ in range(N_TRIPS_ASLEEP))
        send(None)
    return awake, slept


def round_trips() -> Iterator[tuple[str, float]]:
    """Microseconds of an array to another process and a number back."""

    def told(name: str, size: str, times: tuple[float, float]) -> Iterator[tuple[str, float]]:
        for how, seconds in zip(("awake", "asleep"), times, strict=True):
            yield f"round trip µs {size}, {how}: {name}", seconds * 1e6

    for size, n_bytes in SIZES.items():
        private = np.ones(n_bytes, "u1")
        arena = Arena("256 MiB")
        there, back = arena.queue("there"), arena.queue("back")
        shared = arena.asarray(private)
        ends: tuple[Any, ...]
        for how, array in (("in place", shared), ("copied in", private)):
            ends = there.put, there.get, back.put, back.get
            yield from told(f"arena.queue {how}", size, trips(*ends, array))
        ours, others = FORK.Pipe()
        ends = ours.send, others.recv, others.send, ours.recv
        yield from told("Pipe", size, trips(*ends, private))
        queues = FORK.Queue(), FORK.Queue()
        ends = queues[0].put, queues[0].get, queues[1].put, queues[1].get
        yield from told("Queue", size, trips(*ends, private))
        with suppress(ImportError):
            make = import_module("faster_fifo").Queue
            fast = make(4 << 20), make(1 << 20)
            ends = fast[0].put, fast[0].get, fast[1].put, fast[1].get
            yield from told("faster-fifo", size, trips(*ends, private))
        with suppress(ImportError):
            yield from told("torch's Queue", size, _trips_of_torch(private))


def _trips_of_torch(private: Any) -> tuple[float, float]:
    torch = import_module("torch")
    there, back = (import_module("torch.multiprocessing").get_context("fork").Queue() for _ in "ab")
    tensor = torch.from_numpy(private.copy()).share_memory_()
    return trips(there.put, there.get, back.put, back.get, tensor)


# -- topics, and idle processes ----------------------------------------------------------------------


def published() -> Iterator[tuple[str, float]]:
    """Microseconds of a publication that every subscriber reads."""
    for n in (1, 3, 8):
        for what in ("short", "64 KiB in place"):
            arena = Arena("64 MiB")
            topic = arena.topic("frames", history=64, policy="block")
            begin = FORK.Barrier(n + 1)

            def read(topic: Any = topic, begin: Any = begin) -> None:
                with topic.subscribe() as messages:
                    begin.wait()
                    for _ in range(N_PUBLISHED):
                        messages.get()

            thing = 7 if what == "short" else arena.zeros(64 << 10, "u1")
            with running(*[read] * n):
                begin.wait()
                start = time.perf_counter()
                for _ in range(N_PUBLISHED):
                    topic.publish(thing)
            seconds = time.perf_counter() - start
            yield f"publish µs, {what}: to {n}", seconds / N_PUBLISHED * 1e6


def idle() -> Iterator[tuple[str, float]]:
    """Milliseconds of processor time that a process uses in a second of waiting."""
    arena = Arena("16 MiB")
    topic, queue, theirs = arena.topic("frames"), arena.queue(), FORK.Queue()
    waits: dict[str, tuple[Callable[[], object], Callable[[Any], object]]] = {
        "arena.queue": (queue.get, queue.put),
        "arena.topic": (lambda: topic.subscribe(replay=1).get(), topic.publish),
        "Queue": (theirs.get, theirs.put),
    }
    for name, (wait, end) in waits.items():
        receiver, sender = FORK.Pipe(duplex=False)

        def part(wait: Any = wait, sender: Any = sender) -> None:
            start = time.process_time()
            wait()
            sender.send(time.process_time() - start)

        with running(part):
            time.sleep(IDLE_S)
            end(1)
            used = receiver.recv()
        yield f"idle ms/s: {name}", used / IDLE_S * 1e3


# -- the lower bound ---------------------------------------------------------------------------------


def bare_ring() -> Iterator[tuple[str, float]]:
    """The ring in C: nothing if there is no compiler."""
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/futex_ring"
        source = Path(__file__).with_name("futex_ring.c")
        try:
            subprocess.run(["cc", "-O2", "-o", program, source], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return
        done = subprocess.run([program], check=True, capture_output=True, text=True, timeout=60)
        for line in done.stdout.splitlines():
            name, _, value = line.rpartition(" ")
            yield f"bare ring {name}", float(value)


def once() -> Figures:
    """Measure every row once."""
    figures: Figures = {}
    for part in (bare_ring, rates, round_trips, published, idle):
        figures.update(part())
    return figures


RATIOS = {
    "one to one: arena.queue over Queue": (
        "messages/s one to one: arena.queue",
        "messages/s one to one: Queue",
    ),
    "4 KiB, awake: Pipe over arena.queue in place": (
        "round trip µs 4 KiB, awake: Pipe",
        "round trip µs 4 KiB, awake: arena.queue in place",
    ),
    "publish short: to 8 over to 1": ("publish µs, short: to 8", "publish µs, short: to 1"),
}


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.messages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="default: 7")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures there")
    parser.add_argument("--short", action="store_true", help="only see that it runs")
    asked = parser.parse_args()
    if asked.short:
        for name in ("N_MESSAGES", "N_TRIPS", "N_TRIPS_ASLEEP", "N_PUBLISHED"):
            globals()[name] //= SHORTER
    rounds = [once() for _ in range(asked.rounds)]
    medians = {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
    print(*described().items(), sep="\n")
    print(f"{'median':>61}{'least':>12}{'most':>12}")
    for name, median in medians.items():
        found = [figures[name] for figures in rounds]
        print(f"{name:<50}{median:>11,.2f}{min(found):>12,.2f}{max(found):>12,.2f}")
    ratios = {name: medians[over] / medians[under] for name, (over, under) in RATIOS.items()}
    for name, ratio in ratios.items():
        print(f"{name:<50}{ratio:>11,.2f} times")
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        document = {"medians": medians, "ratios": ratios, "rounds": rounds}
        asked.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
