"""The verb `reap`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from pagebuddy.arena.looking.files import path_of
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.tools.arenas.lookup import Name, attached
from pagebuddy.tools.terminal.refusal import plain_refusals
from pagebuddy.tools.terminal.units import counted, in_bytes


def reap_command(
    name: Name,
    unclaimed_after: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Also end handles that were sent at least so many seconds ago and not claimed.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Free the buffers of dead processes.

    This also happens automatically when a process attaches, and when an allocation would fail.
    Buffers that a live process holds, and buffers kept under a key, stay.

    \b
      pagebuddy reap frames
      pagebuddy reap frames --unclaimed-after 60

    Exit code: 0 on success; 1 if the arena is damaged; 2 if NAME is not an arena; 3 if it cannot
    be reaped now, for example because all slots are taken.
    """
    with plain_refusals(name):
        path = path_of(name)
        with Snapshot(path) as snapshot:
            before = snapshot.stats()
        with attached(path) as arena:
            arena.reap(unclaimed_after=unclaimed_after)
            after = arena.stats()
    # Other processes may have allocated meanwhile, so differences may be negative.
    figures = {
        "reaped": max(before.dead - after.dead, 0),
        "ended": max(before.tickets - after.tickets, 0),
        "freed_bytes": max(before.used_bytes - after.used_bytes, 0),
    }
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    dead = "1 dead process" if figures["reaped"] == 1 else f"{figures['reaped']} dead processes"
    handles = f", ended {counted(figures['ended'], 'handle')}" if figures["ended"] else ""
    freed = in_bytes(figures["freed_bytes"])
    told = f"reaped {dead}{handles}; freed {freed}, {in_bytes(after.used_bytes)} still used"
    Console(highlight=False).print(Text(told))
