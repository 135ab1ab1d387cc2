"""The verb `ls`."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from pagebuddy.arena.looking.files import Foreign, named_arenas, told
from pagebuddy.arena.looking.rings import RingRow, by_kind, rings_of
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.arena.stats import ArenaStats
from pagebuddy.errors import ArenaNotFound, CorruptMetadata
from pagebuddy.tools.arenas.ring_tables import ring_tables
from pagebuddy.tools.terminal.refusal import WRONG_INSIDE, broken, plain_refusals
from pagebuddy.tools.terminal.tables import add_figures, add_names, listing, name_cell
from pagebuddy.tools.terminal.units import counted, in_bytes, shown

# With fewer columns, arenas are printed as lines instead of a table.
_TABLE_FITS = 70

_COLUMNS = ("size", "used", "largest free", "processes", "dead")


def ls_command(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATTERN", help="List only arenas whose names match, such as 'frames*'."
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the figures as JSON, a list with one object per arena."),
    ] = False,
) -> None:
    """List the named arenas of this machine.

    Named arenas are files in /dev/shm. They are read without attaching or locking, so other
    processes are not disturbed. For each arena: its size; the memory that is used; the largest
    free run; the number of attached processes; and how many of these are dead. `pagebuddy reap
    NAME` frees the buffers of dead processes. Then its queues and topics, if it has any; `pagebuddy
    stat NAME` prints more about them.

    \b
      pagebuddy ls
      pagebuddy ls 'frames*' --json

    Exit code: 0 on success; 1 if an arena is damaged, or if none matches a PATTERN.
    """
    found: list[tuple[str, ArenaStats | str]] = []
    rings: dict[str, list[RingRow]] = {}
    figures: list[dict[str, object]] = []
    unreadable = 0
    unmatched = list(dict.fromkeys(patterns or ()))
    with plain_refusals():
        for path, readable in named_arenas():
            name = told(path)
            if not any(fnmatchcase(name, pattern) for pattern in patterns or "*"):
                continue
            unmatched = [pattern for pattern in unmatched if not fnmatchcase(name, pattern)]
            unreadable += not readable
            if not readable:
                continue
            try:
                with Snapshot(path) as snapshot:
                    found.append((name, snapshot.stats()))
                    rows = rings_of(snapshot)
                    figures.append(snapshot.as_dict() | by_kind(rows))
                    if rows:
                        rings[name] = rows
            except CorruptMetadata as error:
                found.append((name, broken(error)))
                figures.append({"name": name, "path": path, "error": broken(error)})
            except (ArenaNotFound, Foreign):
                # Removed or replaced since it was listed.
                continue
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
    elif found:
        _print(found)
        _print_rings(rings)
    if unreadable:
        files = counted(unreadable, "file")
        told_files = f"{files} in /dev/shm cannot be read (permission denied)"
        typer.echo(f"{told_files}; they may be arenas of other users", err=True)
    for pattern in unmatched:
        typer.echo(f"pagebuddy: {shown(_missing(pattern))}", err=True)
    if unmatched or any(isinstance(stats, str) for _, stats in found):
        raise typer.Exit(WRONG_INSIDE)


def _missing(pattern: str) -> str:
    if any(char in pattern for char in "*?["):
        return f"no arena has a name like {pattern}; `pagebuddy ls` lists all arenas"
    if "/" in pattern:
        return f"{pattern} is a path; for an arena in a file: pagebuddy stat {pattern}"
    return f"no arena is named {pattern}; `pagebuddy ls` lists all arenas"


def _print(found: list[tuple[str, ArenaStats | str]]) -> None:
    console = Console(highlight=False)
    if console.width < _TABLE_FITS:
        _print_narrow(found, console)
    else:
        _print_table(found, console)
    for name, stats in found:
        if isinstance(stats, str):
            console.print(
                Text(
                    f"\n{shown(name)} is damaged: {shown(stats)}; run: pagebuddy check {shown(name)}"
                )
            )


def _print_rings(rings: dict[str, list[RingRow]]) -> None:
    console = Console(highlight=False)
    for name, rows in rings.items():
        console.print(Text(f"\nqueues and topics of {shown(name)}", style="bold"))
        for part in ring_tables(rows, console.width, subscriptions=False):
            console.print(part)


def _print_narrow(found: list[tuple[str, ArenaStats | str]], console: Console) -> None:
    for name, stats in found:
        console.print(Text(shown(name), style="bold"))
        if isinstance(stats, str):
            console.print("  damaged")
            continue
        figures = [
            in_bytes(stats.n_bytes),
            f"{in_bytes(stats.used_bytes)} used",
            f"largest free run {in_bytes(stats.largest_free_bytes)}",
            f"{stats.processes} process{'es' * (stats.processes != 1)}",
        ]
        if stats.dead:
            figures.append(f"{stats.dead} dead")
        console.print(Padding(Text(", ".join(figures)), (0, 0, 0, 2)))


def _print_table(found: list[tuple[str, ArenaStats | str]], console: Console) -> None:
    table = listing()
    add_names(table, "name")
    add_figures(table, *_COLUMNS)
    for name, stats in found:
        if isinstance(stats, str):
            table.add_row(name_cell(name), "damaged")
            continue
        table.add_row(
            name_cell(name),
            in_bytes(stats.n_bytes),
            in_bytes(stats.used_bytes),
            in_bytes(stats.largest_free_bytes),
            str(stats.processes),
            str(stats.dead) if stats.dead else "-",
        )
    console.print(table)
