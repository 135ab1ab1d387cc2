"""The verb `bench`."""

from __future__ import annotations

import json
from itertools import count, groupby
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pagebuddy import __version__
from pagebuddy.tools.bench.core_rows import cases_of, rows_for
from pagebuddy.tools.bench.figures import Figure, figures, short
from pagebuddy.tools.bench.machine import described
from pagebuddy.tools.bench.subject import chosen, default_is_compiled
from pagebuddy.tools.bench.timing import measure
from pagebuddy.tools.terminal.refusal import plain_refusals

_ROUNDS = 15
_SAMPLE_NS = 20_000_000
_WIDEST = 80


def bench_command(
    rounds: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of samples per figure.")
    ] = _ROUNDS,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only the figures, as JSON.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not show the progress.")] = False,
) -> None:
    """Measure the speed of an allocator and an arena on this machine.

    Measures the engine in a native loop; allocating and freeing memory of an arena, of numpy and
    of SharedMemory; and sending an array to another process in an arena and through a Pipe. All
    cases take turns, so other load on the machine affects all alike. Takes about ten seconds.

    \b
      pagebuddy bench
      pagebuddy bench --rounds 50 --json > figures.json

    The table shows the median, the lowest and the highest sample. `make bench` in the source
    measures many more rows.

    Exit code: 0 on success.
    """
    with plain_refusals():
        subject = chosen(compiled=default_is_compiled())
        facts = {**described(), "pagebuddy": __version__, "compiled": subject.compiled}
        console = Console(stderr=True)
        if quiet or not console.is_terminal:
            samples = measure(cases_of(subject), rounds, _SAMPLE_NS, lambda: None)
        else:
            with console.status("starting other processes") as status:
                done = count(1)

                def show() -> None:
                    status.update(f"measuring: {next(done)} of {rounds} rounds")

                samples = measure(cases_of(subject), rounds, _SAMPLE_NS, show)
        measured = figures(rows_for(subject), samples)
    if as_json:
        rows = [_as_dict(figure) for figure in measured]
        typer.echo(
            json.dumps({**facts, "rounds": rounds, "figures": rows}, indent=2, ensure_ascii=False)
        )
    else:
        _print(measured, facts)


def _as_dict(figure: Figure) -> dict[str, object]:
    return {
        "section": figure.row.section,
        "title": figure.row.title,
        "unit": figure.row.unit,
        "median": round(figure.median, 4),
        "min": round(figure.lowest, 4),
        "max": round(figure.highest, 4),
    }


def _print(measured: list[Figure], facts: dict[str, object]) -> None:
    console = Console(highlight=False)
    engine = "compiled" if facts["compiled"] else "not compiled"
    console.print(f"pagebuddy {facts['pagebuddy']}, the engine is {engine}, {facts['python']}")
    console.print(f"{facts['cpu']}, {facts['cores']} cores, {facts['system']}")
    console.print(f"load {facts['load']}; above 1, other programs disturbed the measurement")
    for section, group in groupby(measured, lambda figure: figure.row.section):
        table = Table(
            box=SIMPLE_HEAD,
            title=section,
            title_justify="left",
            title_style="bold",
            width=min(console.width, _WIDEST),
            show_edge=False,
            pad_edge=False,
        )
        table.add_column("", ratio=1)
        for name, width in (("median", 8), ("", 7), ("from", 8), ("to", 8)):
            table.add_column(name, justify="right" if name else "left", width=width)
        for figure in group:
            numbers = (short(value) for value in (figure.median, figure.lowest, figure.highest))
            median, lowest, highest = numbers
            table.add_row(figure.row.title, median, figure.row.unit, lowest, highest)
        console.print()
        console.print(table)
