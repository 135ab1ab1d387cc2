"""Finds an arena by its name or path on the command line. Used by all verbs of this folder."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from pagebuddy import Arena
from pagebuddy.arena.looking.files import named_arenas, told
from pagebuddy.memory import named


def attached(path: str) -> Arena:
    """Attach to the arena at a path."""
    folder, name = os.path.split(path)
    return Arena.attach(name) if folder == named.FOLDER else Arena.file(path)


def complete(incomplete: str) -> list[str]:
    """The names of arenas that start with a text, for completion in a shell."""
    names = [told(path) for path, readable in named_arenas() if readable]
    return [name for name in names if name.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The name of an arena, or the path of its file. A path must contain a slash.",
        autocompletion=complete,
    ),
]
"""The argument NAME of verbs for one arena."""
