"""The verb `rm`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from pagebuddy.errors import CorruptMetadata
from pagebuddy.memory.mapping import identity_of
from pagebuddy.tools.arenas.lookup import complete, opened, path_of, told
from pagebuddy.tools.arenas.snapshot import Snapshot
from pagebuddy.tools.terminal.refusal import plain_refusals


def rm_command(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="Arenas by name, or by path with a slash in it.",
            autocompletion=complete,
        ),
    ],
) -> None:
    """Remove arenas, what is kept in them included.

    Processes that are attached go on undisturbed; the memory is free when the last of them has
    ended. A file that is no arena is refused; nothing is removed unless all names are arenas.

    \b
      pagebuddy rm frames
      pagebuddy rm ./store.pb

    Exit code: 0; 2 if a NAME is none.
    """
    with plain_refusals():
        paths = [path_of(name) for name in names]
        for path in paths:
            os.close(opened(path))
        for path in paths:
            note = _still_used(path)
            _remove(path)
            if note:
                typer.echo(f"{told(path)}: {note}", err=True)


def _still_used(path: str) -> str:
    try:
        with Snapshot(path) as snapshot:
            alive = snapshot.stats().processes - snapshot.stats().dead
    except CorruptMetadata:
        return ""
    if alive == 0:
        return ""
    goes = "1 process goes" if alive == 1 else f"{alive} processes go"
    return f"{goes} on with it, until it ends with the last of them"


def _remove(path: str) -> None:
    """Remove the arena at a path, and no other file that came there meanwhile."""
    fd = opened(path)
    try:
        if identity_of(os.fstat(fd)) == identity_of(os.lstat(path)):
            os.unlink(path)
    finally:
        os.close(fd)
