"""The verb `map`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from pagebuddy.tools.arenas.arena_layout import layout_of
from pagebuddy.tools.arenas.lookup import Name, path_of
from pagebuddy.tools.arenas.snapshot import Snapshot
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.picture import Picture
from pagebuddy.tools.pictures.tree_picture import TreePicture
from pagebuddy.tools.terminal.refusal import plain_refusals
from pagebuddy.tools.terminal.units import in_bytes, in_percent


class By(str, Enum):
    """What the colours and letters of a picture mean."""

    ORDER = "order"
    HOLDER = "holder"


def map_command(
    name: Name,
    by: Annotated[
        By, typer.Option(help="Draw free blocks by their order, or used ones by who holds them.")
    ] = By.ORDER,
    tree: Annotated[
        int | None,
        typer.Option(
            metavar="PAGE", min=0, help="Draw the block of this page as the tree of its splits."
        ),
    ] = None,
    order: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="With --tree: the block of 2^N pages, else the largest."
        ),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it into an .svg file, too.")
    ] = None,
) -> None:
    """Draw an arena's memory: what is free, what is used, by whom.

    The arena is looked at, not attached to: nothing changes, and nobody waits. Addresses are
    offsets in the arena, as `Buffer.offset` is.

    \b
      pagebuddy map frames
      pagebuddy map frames --by holder --svg frames.svg
      pagebuddy map frames --tree 0 --order 6

    Exit code: 0; 1 if the arena is damaged; 2 if something given is wrong.
    """
    with plain_refusals(name):
        if svg is not None and svg.suffix.lower() != ".svg":
            raise ValueError(f"cannot draw {svg}: its name must end in .svg")
        if order is not None and tree is None:
            raise ValueError("--order is for a tree; say --tree PAGE as well")
        with Snapshot(path_of(name)) as snapshot:
            layout = layout_of(snapshot)
            title = _title(snapshot.name, layout)
        picture = (
            Picture(layout, by_holder=by is By.HOLDER)
            if tree is None
            else TreePicture(layout, tree, order)
        )
        if svg is not None:
            _draw(layout, svg, title, by, tree, order)
    console = Console(highlight=False)
    if tree is None:
        console.print(Text(title, style="bold"))
    console.print(picture)


def _draw(
    layout: Layout, path: Path, title: str, by: By, page: int | None, order: int | None
) -> None:
    from pagebuddy.tools.pictures.plot import draw, save
    from pagebuddy.tools.pictures.tree import Tree
    from pagebuddy.tools.pictures.tree_sheet import tree_sheet

    if page is None:
        draw(layout, path, title=title, by_holder=by is By.HOLDER)
    else:
        save(tree_sheet(Tree(layout, page, order)), path)


def _title(name: str, layout: Layout) -> str:
    used = layout.n_pages - layout.n_free
    there, share = in_bytes(layout.n_pages * layout.page_size), in_percent(used / layout.n_pages)
    return f"{name}: {in_bytes(used * layout.page_size)} of {there} used, {share}"
