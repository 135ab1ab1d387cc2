"""Measure what many processes of one arena cost: its lock, and its leases. For docs/scale.md."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from statistics import median
from typing import Any

from pagebuddy import Arena
from pagebuddy.sharing.system import lease
from pagebuddy.sharing.words import SLOT_STATE, SLOT_WORDS

# Larger than what a process caches, so that each allocation and each end takes the lock.
LARGE = 2 << 20
PROCESSES = 1, 2, 4, 8
SLOTS = 47, 111, 495, 1007


def work(name: str, ready: Any, go: Any, over: Any, done: Any) -> None:
    """Allocate and drop until told to end, and report how often."""
    arena, n = Arena.attach(name), 0
    ready.release()
    go.wait()
    while not over.is_set():
        for _ in range(200):
            arena.alloc(LARGE)
        n += 200
    done.put(n)


def pairs_in_a_second(n: int) -> tuple[float, float]:
    """Allocations and drops of n processes at once, and what share of the operations waited."""
    spawn = multiprocessing.get_context("spawn")
    name = f"benchmark-scale-{os.getpid()}"
    ready, go, over, done = spawn.Semaphore(0), spawn.Event(), spawn.Event(), spawn.Queue()
    with Arena.create(name, "1 GiB") as arena:
        workers = [spawn.Process(target=work, args=(name, ready, go, over, done)) for _ in range(n)]
        for worker in workers:
            worker.start()
        for _ in workers:
            ready.acquire()
        start = time.perf_counter()
        go.set()
        time.sleep(1)
        over.set()
        elapsed = time.perf_counter() - start
        pairs = sum(done.get() for _ in workers)
        for worker in workers:
            worker.join()
        waits = arena.stats().lock_waits
        arena.unlink()
    return pairs / elapsed, waits / (2 * pairs)


def leases(rounds: int) -> None:
    """Print what it takes to ask for a lease and to reap, with so many live slots and nobody dead."""
    arena = Arena("64 MiB", slots=SLOTS[-1] + 1)
    a = arena._open
    kept: list[lease.Lease | None] = []
    for n in SLOTS:
        for slot in range(len(kept) + 2, n + 1):
            kept.append(lease.take(a.fileno(), slot))
            a.memory[a.layout.slots_at + slot * SLOT_WORDS + SLOT_STATE] = 1 << 63
        asked, reaped = [], []
        for _ in range(rounds):
            begin = time.perf_counter()
            lease.is_taken(a.fileno(), n)
            middle = time.perf_counter()
            arena.reap()
            asked.append(middle - begin)
            reaped.append(time.perf_counter() - middle)
        print(
            f"{n:5,} live slots: to ask for a lease {median(asked) * 1e6:.1f} µs, "
            f"to reap nobody {median(reaped) * 1e3:.2f} ms, at best {min(reaped) * 1e3:.2f}"
        )
    for slot in range(2, SLOTS[-1] + 1):
        a.memory[a.layout.slots_at + slot * SLOT_WORDS + SLOT_STATE] = 0
    for each in kept:
        if each:
            each.release()


def main() -> None:
    """Measure, and print a line for each number of processes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=5, help="seconds for each number of processes (default: 5)"
    )
    rounds = parser.parse_args().rounds
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for n in PROCESSES:
        rates, waits = zip(*(pairs_in_a_second(n) for _ in range(rounds)), strict=True)
        print(
            f"{n} processes: 2 MiB allocated and dropped {median(rates) / 1e6:.2f} million times a "
            f"second in all; {median(waits):.3%} of the operations waited for the lock"
        )
    leases(10 * rounds)


if __name__ == "__main__":
    main()
