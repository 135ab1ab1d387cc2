"""Measure pagebuddy and its alternatives; print a table and write it to out/benchmarks.json."""

from __future__ import annotations

import argparse
import sys
import time
from itertools import count
from pathlib import Path

from rich.console import Console

from benchmarks import (
    arena_rows,
    arenas,
    batches,
    calls,
    death_rows,
    deaths,
    frameworks,
    rivals,
    sharing,
    sharing_rows,
)
from benchmarks.command import new_parser
from benchmarks.figures import rows_for
from benchmarks.machine import described
from benchmarks.memories import SIZES
from benchmarks.report import WIDTH, around_table, save, show, write_into
from benchmarks.unchecked import without_checks
from pagebuddy import Arena
from pagebuddy.tools.bench import loops
from pagebuddy.tools.bench.figures import figures
from pagebuddy.tools.bench.handovers import trips_of
from pagebuddy.tools.bench.subject import Subject, chosen, default_is_compiled
from pagebuddy.tools.bench.timing import Case, measure

SAMPLE_NS = 25_000_000
# Cases of arenas are many, and some take a second: take shorter and fewer samples.
ARENA_SAMPLE_NS = 5_000_000
ARENA_SHARE = 4
# A map in a pool takes seconds: take few samples, and in a short run with fewer calls.
MAP_SHARE = 14
CALLS_A_ROUND = 25


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    what = "samples per case of the engine; cases of arenas get a quarter"
    parser = new_parser("benchmarks", __doc__, 41, Path("out/benchmarks.json"), what)
    parser.add_argument("--uncompiled", action="store_true", help="measure the uncompiled engine")
    return parser.parse_args()


def cases_of(subject: Subject, unchecked: Subject | None) -> list[Case]:
    """The cases of the engine; compared cases are neighbours, so they run close in time."""
    return [
        *loops.all_of([subject] if unchecked is None else [subject, unchecked]),
        rivals.stack_loop(subject.n_pages),
        *calls.all_of(subject),
        rivals.list_calls(subject.n_pages),
        rivals.multiprocessing_calls(),
        *batches.all_of(subject),
    ]


def main() -> None:
    """Measure and report."""
    asked = arguments()
    if asked.rounds < 1:
        sys.exit(f"--rounds is {asked.rounds}; expected at least 1")
    try:
        for page in asked.into:
            around_table(page)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    subject = chosen(compiled=default_is_compiled() and not asked.uncompiled)
    facts = {**described(), "compiled": subject.compiled, "n_pages": subject.n_pages}
    console = Console(width=WIDTH)
    progress = Console(stderr=True)
    rounds, arena_rounds = asked.rounds, -(-asked.rounds // ARENA_SHARE)
    map_rounds, n_calls = -(-rounds // MAP_SHARE), min(sharing.N_CALLS, rounds * CALLS_A_ROUND)
    shares = sharing.can_share(subject)
    n_rounds = rounds + arena_rounds + 2 * (arena_rounds + map_rounds) * shares
    started = time.monotonic()
    with progress.status("measuring") as status:
        done = count(1)

        def show_round() -> None:
            status.update(f"measuring: {next(done)} of {n_rounds} rounds")

        engine = cases_of(subject, without_checks() if subject.compiled else None)
        samples = measure(engine, rounds, SAMPLE_NS, show_round)
        # After the engine, because large allocations evict caches and keep the system busy.
        samples |= measure(arenas.all_of(subject), arena_rounds, ARENA_SAMPLE_NS, show_round)
        if shares:
            arena = Arena("2 GiB")
            between = sharing.all_of(arena)
            samples |= measure(between, arena_rounds, ARENA_SAMPLE_NS, show_round)
            maps = sharing.maps(arena, n_calls)
            samples |= measure(maps, map_rounds, ARENA_SAMPLE_NS, show_round)
            samples |= measure(deaths.all_of(), map_rounds, ARENA_SAMPLE_NS, show_round)
            with frameworks.cluster() as ways:
                # Last, because Ray's servers are never idle.
                cases = [trips_of(way, size) for way in ways for size in SIZES]
                samples |= measure(cases, arena_rounds, ARENA_SAMPLE_NS, show_round)
    metadata = subject.allocator.metadata_size(subject.n_pages)
    samples[subject.of("metadata")] = [metadata / subject.n_pages]
    rows = [*rows_for(subject), *arena_rows.rows_for(subject)]
    rows += [*sharing_rows.rows_for(subject, n_calls), *death_rows.rows_for(subject)]
    table = figures(rows, samples)
    show(table, facts, console)
    save(table, facts, rounds, asked.json)
    for page in asked.into:
        write_into(page, table, facts)
    console.print(f"{time.monotonic() - started:.0f} s, written to {asked.json}")


if __name__ == "__main__":
    main()
