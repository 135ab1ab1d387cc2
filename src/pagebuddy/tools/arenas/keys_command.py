"""The verb `keys`."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pagebuddy.arena.looking.files import path_of
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.sharing.joining.listing import BufferRow
from pagebuddy.tools.arenas.arena_layout import name_of
from pagebuddy.tools.arenas.lookup import Name
from pagebuddy.tools.terminal.refusal import plain_refusals
from pagebuddy.tools.terminal.tables import add_figures, add_names, listing, name_cell
from pagebuddy.tools.terminal.units import counted, in_bytes, in_time, shown

# With fewer columns, keys are printed as lines instead of a table.
_TABLE_FITS = 60


def keys_command(
    name: Name,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a list as JSON, with one object per key.")
    ] = False,
) -> None:
    """List the keys of buffers, objects, queues and topics.

    For each key: the size of its buffer, the time since it was kept under this key, and the
    processes that hold it now; with --json also its offset. If not all are buffers, also the kind
    of each. Reads the arena without attaching or locking.

    \b
      pagebuddy keys frames
      pagebuddy keys ./store.pb --json

    Exit code: 0 on success; 1 if the arena is damaged; 2 if NAME is not an arena.
    """
    with plain_refusals(name), Snapshot(path_of(name)) as snapshot:
        rows = kept_rows(snapshot)
        processes = {row.slot: row for row in snapshot.processes()}
    if as_json:
        listed = []
        for row in rows:
            holders = [processes[slot].pid for slot in row.holders if slot in processes]
            listed.append(row.as_dict() | {"age": _age_of(row), "holders": holders})
        typer.echo(json.dumps(listed, indent=2))
        return
    console = Console(highlight=False)
    if not rows:
        console.print(Text(f"{shown(name)} has no buffers under a key"))
        return
    names = {slot: name_of(row) for slot, row in processes.items()}
    if console.width < _TABLE_FITS:
        _print_narrow(rows, names, console)
    else:
        console.print(_table(rows, names))


def kept_rows(snapshot: Snapshot) -> list[BufferRow]:
    """The buffers that are kept under a key, in alphabetical order."""
    return sorted((row for row in snapshot.buffers() if row.key), key=lambda row: row.key or "")


def key_lines(rows: list[BufferRow], most: int, width: int) -> list[Text]:
    """A line for each of the first keys, which is shortened to fit, and one that counts the rest."""
    lines = []
    for row in rows[:most]:
        figures = f": {in_bytes(row.nbytes)} at {row.offset:#x}"
        line = Text(shown(row.key or ""))
        line.truncate(width - len(figures), overflow="ellipsis")
        lines.append(line.append(figures))
    if len(rows) > most:
        lines.append(Text(f"and {counted(len(rows) - most, 'more key')}"))
    return lines


def _age_of(row: BufferRow) -> float:
    """Seconds since a buffer was kept; 0 if the clock was put back since then."""
    return max(time.time() - (row.kept_at or 0), 0)


def _holders(row: BufferRow, names: dict[int, str]) -> str:
    return ", ".join(names.get(slot, str(slot)) for slot in row.holders)


def _print_narrow(rows: list[BufferRow], names: dict[int, str], console: Console) -> None:
    for row in rows:
        console.print(Text(shown(row.key or ""), style="bold"))
        kind = "" if row.kind == "buffer" else f"{row.kind}, "
        told = f"{kind}{in_bytes(row.nbytes)}, kept {in_time(_age_of(row))} ago"
        if row.holders:
            told += f", held by {shown(_holders(row, names))}"
        console.print(Padding(Text(told), (0, 0, 0, 2)))


def _table(rows: list[BufferRow], names: dict[int, str]) -> Table:
    table = listing()
    has_kinds = any(row.kind != "buffer" for row in rows)
    add_names(table, "key")
    if has_kinds:
        table.add_column(Text("kind"))
    add_figures(table, "size", "age")
    add_names(table, "holders")
    for row in rows:
        table.add_row(
            name_cell(row.key or ""),
            *([row.kind or ""] if has_kinds else []),
            in_bytes(row.nbytes),
            in_time(_age_of(row)),
            name_cell(_holders(row, names) or "-"),
        )
    return table
