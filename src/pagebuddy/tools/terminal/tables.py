"""Tables for a terminal, used by reports."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from pagebuddy.tools.terminal.units import shown


def in_rows(figures: Iterable[tuple[str, str]]) -> Table:
    """A table of names and texts, a row each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in figures:
        table.add_row(name, Text(shown(text)))
    return table
