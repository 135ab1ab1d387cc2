"""The verb `keys`."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pagebuddy.sharing.joining.listing import BufferRow
from pagebuddy.tools.arenas.arena_layout import name_of
from pagebuddy.tools.arenas.lookup import Name, path_of
from pagebuddy.tools.arenas.snapshot import Snapshot
from pagebuddy.tools.terminal.refusal import plain_refusals
from pagebuddy.tools.terminal.units import counted, in_bytes, in_time, shown


def keys_command(
    name: Name,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a list as JSON, with one object per key.")
    ] = False,
) -> None:
    """List the keys of an arena's kept buffers.

    For each key: the size of its buffer, the time since it was kept under this key, and the
    processes that hold it now; with --json also its offset. Reads the arena without attaching or
    locking.

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
    console.print(_table(rows, names))


def kept_rows(snapshot: Snapshot) -> list[BufferRow]:
    """The buffers that are kept under a key, in alphabetical order."""
    return sorted((row for row in snapshot.buffers() if row.key), key=lambda row: row.key or "")


def key_lines(rows: list[BufferRow], most: int) -> list[Text]:
    """A line for each of the first keys, and one that counts the rest."""
    lines = [
        Text(f"{shown(row.key or '')}: {in_bytes(row.nbytes)} at {row.offset:#x}", no_wrap=True)
        for row in rows[:most]
    ]
    if len(rows) > most:
        lines.append(Text(f"and {counted(len(rows) - most, 'more key')}"))
    for line in lines:
        line.overflow = "ellipsis"
    return lines


def _age_of(row: BufferRow) -> float:
    """Seconds since a buffer was kept; 0 if the clock was put back since then."""
    return max(time.time() - (row.kept_at or 0), 0)


def _table(rows: list[BufferRow], names: dict[int, str]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    # Only columns that may wrap get narrower; their text does not wrap.
    table.add_column("key")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("holders")
    for row in rows:
        holders = ", ".join(shown(names.get(slot, str(slot))) for slot in row.holders)
        table.add_row(
            Text(shown(row.key or ""), no_wrap=True, overflow="ellipsis"),
            in_bytes(row.nbytes),
            in_time(_age_of(row)),
            Text(holders or "-", no_wrap=True, overflow="ellipsis"),
        )
    return table
