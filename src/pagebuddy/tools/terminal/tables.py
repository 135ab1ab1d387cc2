"""Tables for a terminal, used by reports."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pagebuddy.tools.terminal.units import shown


def listing() -> Table:
    """An empty table; its columns are added by `add_names` and `add_figures`."""
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)


def add_names(table: Table, head: str) -> None:
    """Add a column of cells made by `name_cell`."""
    # rich takes missing width from the columns that may wrap, and only then from all.
    table.add_column(Text(head, no_wrap=True, overflow="ellipsis"))


def add_figures(table: Table, *heads: str) -> None:
    """Add columns of numbers, which are never shortened while a column of names has room to give."""
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)


def name_cell(name: str) -> Text:
    """A name that others chose; where its column is too narrow, it is shortened and does not wrap."""
    return Text(shown(name), no_wrap=True, overflow="ellipsis")


def in_rows(figures: Iterable[tuple[str, str]]) -> Table:
    """A table of names and texts, a row each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in figures:
        table.add_row(name, Text(shown(text)))
    return table
