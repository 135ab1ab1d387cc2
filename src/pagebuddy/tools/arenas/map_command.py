"""The verb `map`."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from pagebuddy.arena.looking.files import path_of
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.tools.arenas.arena_layout import layout_of
from pagebuddy.tools.arenas.keys_command import kept_rows, key_lines
from pagebuddy.tools.arenas.lookup import Name
from pagebuddy.tools.pictures.layout import Layout
from pagebuddy.tools.pictures.picture import Picture
from pagebuddy.tools.pictures.tree_picture import TreePicture
from pagebuddy.tools.terminal.refusal import MissingExtra, plain_refusals
from pagebuddy.tools.terminal.units import in_bytes, in_percent, shown

# The maximum number of keys that are listed.
_KEYS = 20


class By(str, Enum):
    """The meaning of the colours and letters of a picture."""

    ORDER = "order"
    HOLDER = "holder"


def map_command(
    name: Name,
    by: Annotated[
        By, typer.Option(help="Colour free blocks by order, or used memory by holder.")
    ] = By.ORDER,
    tree: Annotated[
        int | None,
        typer.Option(
            metavar="PAGE",
            min=0,
            help="Draw the block that contains this page, as a tree of its splits.",
        ),
    ] = None,
    order: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="With --tree: draw the block of 2^N pages; by default the largest.",
        ),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw into this .svg file.")
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draw into this .png file; needs pagebuddy[plot]."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the figures, the buffers and the free blocks as JSON; no picture."
        ),
    ] = False,
) -> None:
    """Draw an arena's memory: free blocks, used memory, holders.

    Reads the arena without attaching or locking, so other processes are not disturbed. Addresses
    are offsets from the arena's first page in bytes, as in `Buffer.offset`.

    \b
      pagebuddy map frames
      pagebuddy map frames --by holder --svg frames.svg
      pagebuddy map frames --tree 0 --order 6

    Exit code: 0 on success; 1 if the arena is damaged; 2 if an argument is wrong.
    """
    with plain_refusals(name):
        if svg is not None and svg.suffix.lower() != ".svg":
            raise ValueError(f"cannot draw {svg}: the name must end in .svg")
        if png is not None:
            _check_png(png)
        if order is not None and tree is None:
            raise ValueError("--order needs --tree; add --tree PAGE")
        with Snapshot(path_of(name)) as snapshot:
            layout = layout_of(snapshot)
            title = _title(snapshot.name, layout)
            kept = kept_rows(snapshot)
            figures = _figures(snapshot, layout) if as_json else {}
        picture = (
            Picture(layout, by_holder=by is By.HOLDER)
            if tree is None
            else TreePicture(layout, tree, order)
        )
        for path in (svg, png):
            if path is not None:
                _draw(layout, path, title, by, tree, order)
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    console = Console(highlight=False)
    if tree is None:
        console.print(Text(shown(title), style="bold"))
    console.print(picture)
    if kept and tree is None:
        console.print(Text("\nkeys", style="bold"))
        console.print(*key_lines(kept, _KEYS, console.width), sep="\n")


def _check_png(path: Path) -> None:
    """Raise before anything is read if the picture could not be drawn."""
    if path.suffix.lower() != ".png":
        raise ValueError(f"cannot draw {path}: the name must end in .png")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtra("plot") from None


def _figures(snapshot: Snapshot, layout: Layout) -> dict[str, object]:
    size = layout.page_size
    free = zip(layout.free_first, layout.free_order, strict=True)
    return snapshot.as_dict() | {
        "buffers": [row.as_dict() for row in snapshot.buffers()],
        "free": [{"offset": first * size, "nbytes": size << order} for first, order in free],
    }


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
