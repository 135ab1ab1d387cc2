"""The verb `stat`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from pagebuddy.arena.looking.files import path_of
from pagebuddy.arena.looking.rings import by_kind
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.errors import ArenaNotFound
from pagebuddy.tools.arenas.arena_report import ArenaReport, Watched, in_a_line
from pagebuddy.tools.arenas.lookup import Name
from pagebuddy.tools.terminal.refusal import plain_refusals
from pagebuddy.tools.terminal.units import shown

_A_DAY = 86_400.0


def stat_command(
    name: Name,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Refresh until Ctrl-C, or until the arena is removed."),
    ] = False,
    every: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0.01, max=_A_DAY, help="The interval of --watch in seconds."
        ),
    ] = 1.0,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the figures as JSON; with --watch one object per line."),
    ] = False,
) -> None:
    """Show an arena's memory, processes, queues, topics and pools.

    Of each queue and topic: the messages that wait and their bytes; how many were put in a second,
    since it was made or with --watch since the last look; what processes wait for; and how many
    messages the subscribers of a topic missed. Of each pool: its workers, and how many calls wait, were
    sent to workers, and are done. Reads the arena without attaching or locking, so
    other processes are not disturbed. A process marked "forked" shares its slot with processes that
    were forked from it.

    \b
      pagebuddy stat frames
      pagebuddy stat ./store.pb --json
      pagebuddy stat frames --watch --every 0.2
      pagebuddy stat frames --watch --json >> figures.jsonl

    Exit code: 0 on success; 1 if the arena is damaged; 2 if NAME is not an arena.
    """
    with plain_refusals(name):
        path = path_of(name)
        if watch:
            with suppress(KeyboardInterrupt):
                _watch(path, every, as_json)
            return
        report, figures = _look(path)
        if as_json:
            typer.echo(json.dumps(figures, indent=2))
        else:
            Console(highlight=False).print(report)


def _watch(path: str, every: float, as_json: bool) -> None:
    looks = _looks(path, every)
    if as_json:
        for _, figures in looks:
            typer.echo(json.dumps(figures))
    elif sys.stdout.isatty():
        with Live(console=Console(highlight=False), auto_refresh=False) as live:
            for report, _ in looks:
                live.update(Watched(report), refresh=True)
    else:
        for report, _ in looks:
            typer.echo(f"{time.strftime('%H:%M:%S')}  {in_a_line(report.stats)}")


def _look(path: str, before: ArenaReport | None = None) -> tuple[ArenaReport, dict[str, object]]:
    """Read the figures: a report for a terminal, and a dict for JSON."""
    with Snapshot(path) as snapshot:
        report = ArenaReport(snapshot, before.rings if before else ())
        attached = [row.as_dict() for row in report.processes]
        figures = snapshot.as_dict() | {"attached": attached}
        if report.pools:
            figures["pools"] = [pool._asdict() for pool in report.pools]
        return report, figures | by_kind(report.rings, report.before)


def _looks(path: str, every: float) -> Iterator[tuple[ArenaReport, dict[str, object]]]:
    """Yield figures until the arena is removed. The first time, raises if it is missing."""
    report, figures = _look(path)
    yield report, figures
    try:
        while True:
            sys.stdout.flush()
            time.sleep(every)
            report, figures = _look(path, report)
            yield report, figures
    except ArenaNotFound:
        typer.echo(f"{shown(path)} was removed", err=True)
