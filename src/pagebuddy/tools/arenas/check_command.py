"""The verb `check`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pagebuddy.arena.looking.files import path_of, told
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.errors import CorruptMetadata
from pagebuddy.tools.arenas.examination import Examination, examine
from pagebuddy.tools.arenas.lookup import Name
from pagebuddy.tools.arenas.salvage import Found, save
from pagebuddy.tools.terminal.refusal import WRONG_INSIDE, broken, plain_refusals
from pagebuddy.tools.terminal.tables import in_rows
from pagebuddy.tools.terminal.units import counted, in_bytes

# The maximum number of kept buffers that are listed.
_TOLD = 20


def check_command(
    name: Name,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FOLDER",
            help="Save every buffer that can be found into this folder, one file each.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result and all buffers as JSON.")
    ] = False,
) -> None:
    """Check an arena for damage; save its buffers.

    Checks all invariants. If no process is attached, it checks a copy and does not change the
    arena. Otherwise it attaches and takes the arena's lock; attaching also reaps dead processes.

    \b
      pagebuddy check frames
      pagebuddy check ./store.pb --save rescued

    Exit code: 0 if the arena is sound; 1 if it is damaged; 2 if NAME is not an arena; 3 if it
    cannot be checked now, for example because all slots are taken.
    """
    saved = 0
    with plain_refusals():
        path = path_of(name)
        try:
            with Snapshot(path, mend=False) as snapshot:
                found = examine(snapshot)
                if folder is not None:
                    saved = save(snapshot, found.buffers, folder)
        except CorruptMetadata as error:
            found = Examination(told(path), wrong=[broken(error)], mends=False)
    if as_json:
        typer.echo(json.dumps(found.as_dict() | {"saved": saved}, indent=2))
    else:
        console = Console(highlight=False)
        console.print(in_rows(_figures(found, folder)))
        if found.wrong and any(buffer.key for buffer in found.buffers):
            console.print()
            console.print(_kept(found.buffers))
    if found.wrong:
        raise typer.Exit(WRONG_INSIDE)


def _figures(found: Examination, folder: Path | None) -> Iterator[tuple[str, str]]:
    yield "arena", found.name
    for wrong in found.wrong:
        yield "WRONG", wrong
    if not found.wrong:
        yield "sound", "all invariants hold"
    elif found.mends:
        yield "repair", "automatic, by the next process that uses the arena; no buffer is lost"
    elif found.buffers:
        yield "repair", "not possible; save the buffers and create a new arena"
    else:
        yield "repair", "not possible, and no buffer was found; create a new arena"
    size = in_bytes(sum(buffer.nbytes for buffer in found.buffers))
    kept = sum(buffer.key is not None for buffer in found.buffers)
    yield "buffers", f"{counted(len(found.buffers), 'buffer')}, {size}, {kept} of them kept"
    if doubtful := sum(buffer.doubtful for buffer in found.buffers):
        what = "with a wrong record, or with pages that are shared with another buffer or missing"
        yield "doubtful", f"{counted(doubtful, 'buffer')} {what}"
    if found.dead:
        yield (
            "dead",
            f"{found.dead} of {found.processes} attached; run: pagebuddy reap {found.name}",
        )
    if folder is not None:
        yield "saved", f"{counted(len(found.buffers), 'file')} in {folder}"
    elif found.wrong and found.buffers:
        yield "to save", f"pagebuddy check {found.name} --save FOLDER"


def _kept(buffers: list[Found]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_row("kept as", "offset", "size", style="bold")
    named = [buffer for buffer in buffers if buffer.key]
    for buffer in named[:_TOLD]:
        # A key may contain control characters that a terminal would interpret.
        table.add_row(Text(ascii(buffer.key)[1:-1]), f"{buffer.offset:#x}", in_bytes(buffer.nbytes))
    if len(named) > _TOLD:
        table.add_row(f"and {len(named) - _TOLD} more", "", "")
    return table
