"""Measure how much of the free memory stays in blocks of 2 MiB, beside lowest-address-first allocation.

    python -m benchmarks.fragmentation --into docs/benchmarks.md

The operations are those of the recorded traces in data/, and mixes of random orders.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from rich.console import Console

from benchmarks.command import new_parser
from benchmarks.machine import ROOT, described
from benchmarks.report import WIDTH, around_table, save, show, write_into
from benchmarks.scattering import POINTS, Workload, lowest, mix, ours, recorded
from pagebuddy import COMPILED
from pagebuddy.tools.bench.figures import RATIO, Row, figures
from pagebuddy.tools.bench.timing import Samples

GIB = 1 << 18  # pages of 4 KiB

TRACES = "Share of free memory in free blocks of 2 MiB, while a trace is replayed"
MIXES = "Share of free memory in free blocks of 2 MiB, 1 GiB, mixed orders"

LATE, END, MEAN, HALF = "at 15/16", "at the end", "on average", "second half"


class Source(NamedTuple):
    """Where operations come from, and what is shown: moments, with goals in percent or None."""

    section: str
    title: str
    make: Callable[[int], Workload]
    goals: dict[str, float | None]
    kept: float | None = None
    """The goal for the share over that of lowest-address-first, on average."""


def sources() -> list[Source]:
    """All of them, in the order of the table."""
    goals: dict[str, float | None] = {LATE: None, END: None, MEAN: None}
    return [
        Source(TRACES, "server, 1 GiB", _trace("kernel-server.csv.gz", GIB), goals | {LATE: 30}),
        # In a memory just large enough for it.
        Source(TRACES, "build, 528 MiB", _trace("kernel-build.csv.gz", 132 << 10), goals, 0.9),
        Source(TRACES, "sample, 16 MiB", _trace("ftrace-sample.txt.gz", 4 << 10), goals),
        Source(MIXES, "80 % full", lambda turn: mix(GIB, 0.8, turn), {END: 87.2, HALF: None}),
        Source(MIXES, "90 % full", lambda turn: mix(GIB, 0.9, turn), {END: 75.1, HALF: None}),
    ]


def _trace(name: str, n_pages: int) -> Callable[[int], Workload]:
    return lambda _: recorded(ROOT / "data" / name, n_pages)


def rows() -> Iterator[Row]:
    """All rows in order."""
    for section, title, _, goals, kept in sources():
        for moment, goal in goals.items():
            name = f"{title}, {moment}"
            yield Row(section, name, "%", (f"ours {name}",), (), 100, goal, at_least=True)
            yield Row(section, "  lowest address first", "%", (f"lowest {name}",), (), 100)
        name = f"{title}, {next(reversed(goals))}"
        title, parts = "  over lowest address first", ((f"ours {name}",), (f"lowest {name}",))
        yield Row(section, title, RATIO, *parts, reach=kept, at_least=True)


def measured(rounds: int, after_round: Callable[[], object]) -> Samples:
    """The shares by name. Traces are the same in each round, so they have one sample."""
    samples: Samples = {}
    for section, title, make, goals, _ in sources():
        for turn in range(rounds if section is MIXES else 1):
            workload = make(turn)
            for whose, allocate in (("ours", ours), ("lowest", lowest)):
                shares = allocate(workload)
                found = {
                    LATE: shares[-2],
                    END: shares[-1],
                    MEAN: fmean(shares),
                    HALF: fmean(shares[POINTS // 2 :]),
                }
                for moment in goals:
                    samples.setdefault(f"{whose} {title}, {moment}", []).append(found[moment])
            after_round()
    return samples


def main() -> None:
    """Measure and report."""
    path, what = Path("out/benchmarks-fragmentation.json"), "different runs of each mix"
    parser = new_parser("benchmarks.fragmentation", __doc__, 1, path, what)
    asked = parser.parse_args()
    if asked.rounds < 1:
        sys.exit(f"--rounds is {asked.rounds}; expected at least 1")
    for page in asked.into:
        around_table(page, "fragmentation")
    facts = {**described(), "compiled": COMPILED}
    console, progress = Console(width=WIDTH), Console(stderr=True)
    started = time.monotonic()
    with progress.status("allocating") as status:
        samples = measured(
            asked.rounds, lambda: status.update(f"{time.monotonic() - started:.0f} s")
        )
    table = figures(list(rows()), samples)
    show(table, facts, console)
    save(table, facts, asked.rounds, asked.json)
    for page in asked.into:
        write_into(page, table, facts, "fragmentation")
    console.print(f"{time.monotonic() - started:.0f} s, written to {asked.json}")


if __name__ == "__main__":
    main()
