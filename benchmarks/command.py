"""The command lines of the benchmarks: what they have in common."""

from __future__ import annotations

import argparse
from pathlib import Path


def new_parser(
    program: str, description: str | None, rounds: int, figures: Path | None, what: str = ""
) -> argparse.ArgumentParser:
    """Return a parser with `--rounds`, `--json` and `--into`.

    `rounds` and `figures` are what is used if the first two are not given. `what` is said of the rounds.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    what = what or "samples per case"
    parser.add_argument("--rounds", type=int, default=rounds, help=f"{what} (default: {rounds})")
    parser.add_argument(
        "--json",
        type=Path,
        default=figures,
        metavar="PATH",
        help=f"write the figures to this file (default: {figures or 'none'})",
    )
    parser.add_argument(
        "--into",
        type=Path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="also write the table into these Markdown pages, such as docs/benchmarks.md",
    )
    return parser
