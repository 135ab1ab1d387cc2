"""Measure ArenaExecutor beside other pools of processes; print a table.

    python -m benchmarks.pools --into docs/benchmarks.md

All pools take turns, as in `python -m benchmarks`. Needs Linux and pandas; joblib and mpire have rows if
they are installed.
"""

from __future__ import annotations

import argparse
import time
from itertools import count
from pathlib import Path

from rich.console import Console

from benchmarks import pool_calls
from benchmarks.command import new_parser
from benchmarks.machine import described
from benchmarks.pool_rows import rows
from benchmarks.report import WIDTH, around_table, save, show, write_into
from pagebuddy import COMPILED, Arena
from pagebuddy.tools.bench.figures import figures
from pagebuddy.tools.bench.timing import measure

SAMPLE_NS = 50_000_000
N_CALLS = 1000
N_MANY = 100_000
# These take seconds each.
LONG_SHARE = 3


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = new_parser("benchmarks.pools", __doc__, 15, Path("out/benchmarks-pools.json"))
    parser.add_argument("--short", action="store_true", help="only see that it runs")
    return parser.parse_args()


def main() -> None:
    """Measure and report."""
    asked = arguments()
    for page in asked.into:
        around_table(page, "pools")
    shorter = 20 if asked.short else 1
    n_calls, n_many = N_CALLS // shorter, N_MANY // shorter
    facts = {**described(), "compiled": COMPILED}
    console, progress = Console(width=WIDTH), Console(stderr=True)
    long_rounds = -(-asked.rounds // LONG_SHARE)
    started = time.monotonic()
    arena = Arena("4 GiB")
    with progress.status("measuring") as status, pool_calls.all_pools(arena) as pools:
        done = count(1)

        def show_round() -> None:
            status.update(f"measuring: {next(done)} of {asked.rounds + long_rounds} rounds")

        cases = [
            *pool_calls.short_calls(pools, n_calls),
            *pool_calls.single_calls(pools),
            *pool_calls.array_calls(pools, arena, n_calls),
            *pool_calls.frame_calls(pools, arena),
        ]
        samples = measure(cases, asked.rounds, SAMPLE_NS, show_round)
        long_cases = [
            *pool_calls.many_calls(pools, n_many),
            *pool_calls.idle_workers(pools),
            *pool_calls.starts(arena),
        ]
        samples |= measure(long_cases, long_rounds, SAMPLE_NS, show_round)
    table = figures(rows(), samples)
    show(table, facts, console)
    save(table, facts, asked.rounds, asked.json)
    for page in asked.into:
        write_into(page, table, facts, "pools")
    console.print(f"{time.monotonic() - started:.0f} s, written to {asked.json}")


if __name__ == "__main__":
    main()
