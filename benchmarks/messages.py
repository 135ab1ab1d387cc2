"""Measure queues and topics beside what else there is; print a table.

    python -m benchmarks.messages
    python -m benchmarks.messages --rounds 15 --into docs/benchmarks.md

Each round measures every row once, one after the other; the table shows medians, and medians of the
ratios. Everything runs between processes that were forked from this one. What is not installed has no
row.

awake     the receiver looks for the message when it comes; asleep: it has slept for some milliseconds
in place  the array lies in the arena already; copied in: it is copied there first
bare ring a ring of 64-bit numbers in C with two futexes (`futex_ring.c`): no library can be faster
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.command import new_parser
from benchmarks.machine import described
from benchmarks.report import WIDTH, around_table, save, show, write_into
from pagebuddy import COMPILED, Arena
from pagebuddy.tools.bench.figures import RATIO, Row, figures

FORK = get_context("fork")
SIZES = {"4 KiB": 4 << 10, "64 KiB": 64 << 10, "1 MiB": 1 << 20}
N_MESSAGES = 200_000
TRIPS_S = 0.3
N_TRIPS_ASLEEP = 40
N_PUBLISHED = 4_000
# With --short, so many times fewer.
SHORTER = 100
IDLE_S = 1.0
PAUSE_S = 0.003

Measured = dict[str, float]


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
        awake = median_of(trip, TRIPS_S)
        slept = median_of(asleep, 2 * N_TRIPS_ASLEEP * PAUSE_S)
        send(None)
    return awake, slept


def median_of(trip: Callable[[], float], seconds: float) -> float:
    """The median of as many trips as there is time for, and of ten at least."""
    end = time.perf_counter() + seconds
    times: list[float] = []
    while len(times) < 10 or time.perf_counter() < end:
        times.append(trip())
    return statistics.median(times)


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
            yield from told(f"queue, {how}", size, trips(*ends, array))
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
        with suppress(ImportError):
            theirs = import_module("benchmarks.iceoryx").trips
            # One that looks all the time never sleeps.
            busy, _ = theirs(FORK, n_bytes, TRIPS_S, 0.0, listens=False)
            yield f"round trip µs {size}, awake: iceoryx2, busy", busy * 1e6
            slept = tuple(theirs(FORK, n_bytes, TRIPS_S, PAUSE_S, listens=True))
            yield from told("iceoryx2's listener", size, slept)


def _trips_of_torch(private: Any) -> tuple[float, float]:
    torch = import_module("torch")
    there, back = (import_module("torch.multiprocessing").get_context("fork").Queue() for _ in "ab")
    tensor = torch.from_numpy(private.copy()).share_memory_()
    return trips(there.put, there.get, back.put, back.get, tensor)


# -- topics, and idle processes ----------------------------------------------------------------------


def published() -> Iterator[tuple[str, float]]:
    """Microseconds of a publication: of the publisher alone, and until every subscriber has read it."""
    for n in (1, 3, 8):
        for what in ("short", "64 KiB in place"):
            yield f"publish µs: {what}, to {n}", published_once(n, what, "drop")[1]
            yield f"publish µs: {what}, read by {n}", published_once(n, what, "block")[0]


def published_once(n: int, what: str, policy: str) -> tuple[float, float]:
    """The time of a publication to so many subscribers, and the publisher's processor time."""
    arena = Arena("64 MiB")
    topic = arena.topic("frames", history=64, policy=policy)
    begin = FORK.Barrier(n + 1)

    def read() -> None:
        with topic.subscribe() as messages:
            begin.wait()
            for message in messages:
                if message is None:
                    return

    thing = 7 if what == "short" else arena.zeros(64 << 10, "u1")
    with running(*[read] * n):
        begin.wait()
        start, used = time.perf_counter(), time.process_time()
        for _ in range(N_PUBLISHED):
            topic.publish(thing)
        used = time.process_time() - used
        topic.publish(None)
    return (time.perf_counter() - start) / N_PUBLISHED * 1e6, used / N_PUBLISHED * 1e6


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


def once() -> Measured:
    """Measure every row once."""
    measured: Measured = {}
    for part in (bare_ring, rates, round_trips, published, idle):
        measured.update(part())
    return measured


# What a name starts with: the section and the unit of its row, and by what its value is multiplied.
SECTIONS = {
    "bare ring messages/s ": ("A bare ring in C, without Python: the lower bound", "1000/s", 1e-3),
    "bare ring round trip µs ": ("A bare ring in C, without Python: the lower bound", "µs", 1.0),
    "messages/s ": ("Short messages", "1000/s", 1e-3),
    "round trip µs ": ("An array to another process, and a number back", "µs", 1.0),
    "publish µs: ": ("Publishing: the publisher's processor time; until all have read", "µs", 1.0),
    "idle ms/s: ": ("Processor time of a process that waits, in a second", "ms", 1.0),
}
# Ratios: the row that each follows, and what its value is divided by.
ONE_TO_ONE = "messages/s one to one: arena.queue"
RATIOS = {
    ONE_TO_ONE: ("over Queue", "messages/s one to one: Queue", 5.0, True),
    "publish µs: short, to 8": ("over to 1", "publish µs: short, to 1", 2.0, False),
    "publish µs: 64 KiB in place, to 8": (
        "over to 1",
        "publish µs: 64 KiB in place, to 1",
        2.0,
        False,
    ),
}
GOALS = {
    ONE_TO_ONE: (1500.0, True),
    **{f"round trip µs {size}, awake: queue, in place": (8.0, False) for size in SIZES},
    **{f"round trip µs {size}, asleep: queue, in place": (60.0, False) for size in SIZES},
}


def rows(names: Iterable[str]) -> Iterator[Row]:
    """The rows of what was measured."""
    for name in names:
        prefix = next(each for each in SECTIONS if name.startswith(each))
        section, unit, scale = SECTIONS[prefix]
        reach, at_least = GOALS.get(name, (None, False))
        yield Row(
            section, name.removeprefix(prefix), unit, (name,), (), scale, reach, at_least=at_least
        )
        if name in RATIOS:
            title, other, reach, at_least = RATIOS[name]
            yield Row(
                section, f"  {title}", RATIO, (name,), (other,), 1.0, reach, at_least=at_least
            )


def main() -> None:
    """Measure, print, and write what is asked for."""
    parser = new_parser("benchmarks.messages", __doc__, 7, None, "how often each row is measured")
    parser.add_argument("--short", action="store_true", help="only see that it runs")
    asked = parser.parse_args()
    for page in asked.into:
        around_table(page, "messages")
    if asked.short:
        globals()["TRIPS_S"] = 0.01
        for name in ("N_MESSAGES", "N_TRIPS_ASLEEP", "N_PUBLISHED"):
            globals()[name] //= SHORTER
    facts = {**described(), "compiled": COMPILED}
    rounds = [once() for _ in range(asked.rounds)]
    samples = {name: [each[name] for each in rounds] for name in rounds[0]}
    table = figures(list(rows(samples)), samples)
    show(table, facts, Console(width=WIDTH))
    for page in asked.into:
        write_into(page, table, facts, "messages")
    if asked.json:
        save(table, facts, asked.rounds, asked.json)


if __name__ == "__main__":
    main()
