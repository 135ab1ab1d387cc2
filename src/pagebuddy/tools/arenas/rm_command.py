"""The verb `rm`."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from pagebuddy.arena.looking.files import opened, path_of, told
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.errors import CorruptMetadata
from pagebuddy.memory.mapping import identity_of
from pagebuddy.tools.arenas.lookup import complete
from pagebuddy.tools.terminal.refusal import plain_refusals
from pagebuddy.tools.terminal.units import shown


def rm_command(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="Names of arenas, or paths of their files. A path must contain a slash.",
            autocompletion=complete,
        ),
    ],
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print what was removed as JSON, with the processes that still use it."
        ),
    ] = False,
) -> None:
    """Remove arenas, including their kept buffers.

    Attached processes keep working; the memory is freed when the last of them ends. If one of the
    names is not an arena, nothing is removed.

    \b
      pagebuddy rm frames
      pagebuddy rm ./store.pb

    Exit code: 0 on success; 2 if a NAME is not an arena.
    """
    with plain_refusals():
        paths = [path_of(name) for name in names]
        for path in paths:
            os.close(opened(path))
        removed = []
        for path in paths:
            alive = _still_used(path)
            _remove(path)
            removed.append({"name": told(path), "path": os.path.abspath(path), "processes": alive})
            if alive and not as_json:
                typer.echo(f"{shown(told(path))}: {_note(alive)}", err=True)
    if as_json:
        typer.echo(json.dumps(removed, indent=2))


def _still_used(path: str) -> int | None:
    """How many live processes are attached; None if the arena is damaged."""
    try:
        with Snapshot(path) as snapshot:
            stats = snapshot.stats()
    except CorruptMetadata:
        return None
    return stats.processes - stats.dead


def _note(alive: int) -> str:
    uses = "1 process still uses" if alive == 1 else f"{alive} processes still use"
    return f"removed; {uses} its memory, which is freed when the last one ends"


def _remove(path: str) -> None:
    """Remove the arena at a path, but not another file that replaced it meanwhile."""
    fd = opened(path)
    try:
        if identity_of(os.fstat(fd)) == identity_of(os.lstat(path)):
            os.unlink(path)
    finally:
        os.close(fd)
