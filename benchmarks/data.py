"""Measure arrays, objects and tables in an arena beside numpy, pickle and diskcache; print a table.

    python -m benchmarks.data --into docs/benchmarks.md

All ways take turns, as in `python -m benchmarks`. Needs Linux and pandas.
"""

from __future__ import annotations

import argparse
import time
from itertools import count
from pathlib import Path

from rich.console import Console

from benchmarks import arrays, numpy_memory, objects, segments, tables
from benchmarks.command import new_parser
from benchmarks.data_rows import rows
from benchmarks.machine import described
from benchmarks.report import WIDTH, around_table, save, show, write_into
from pagebuddy import COMPILED, Arena
from pagebuddy.tools.bench.figures import figures
from pagebuddy.tools.bench.timing import measure

SAMPLE_NS = 10_000_000
# A table takes seconds.
TABLE_SHARE = 8


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = new_parser("benchmarks.data", __doc__, 41, Path("out/benchmarks-data.json"))
    return parser.parse_args()


def main() -> None:
    """Measure and report."""
    asked = arguments()
    for page in asked.into:
        around_table(page, "data")
    facts = {**described(), "compiled": COMPILED}
    console, progress = Console(width=WIDTH), Console(stderr=True)
    table_rounds = -(-asked.rounds // TABLE_SHARE)
    started = time.monotonic()
    arena = Arena("2 GiB")
    with (
        progress.status("measuring") as status,
        objects.disk_cache() as cache,
        segments.all_ways() as of_segments,
        tables.all_ways() as ways,
    ):
        done = count(1)

        def show_round() -> None:
            status.update(f"measuring: {next(done)} of {asked.rounds + table_rounds} rounds")

        cases = [
            *arrays.all_of(arena),
            *numpy_memory.all_of(arena),
            *objects.all_of(arena, cache),
            *of_segments,
        ]
        samples = measure(cases, asked.rounds, SAMPLE_NS, show_round)
        samples |= measure(ways, table_rounds, SAMPLE_NS, show_round)
    table = figures(rows(), samples)
    show(table, facts, console)
    save(table, facts, asked.rounds, asked.json)
    for page in asked.into:
        write_into(page, table, facts, "data")
    console.print(f"{time.monotonic() - started:.0f} s, written to {asked.json}")


if __name__ == "__main__":
    main()
