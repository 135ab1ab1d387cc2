"""Prints queues and topics, for `ls` and `stat`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pagebuddy.arena.looking.rings import RingRow, earlier
from pagebuddy.tools.terminal.tables import add_figures, add_names, listing, name_cell
from pagebuddy.tools.terminal.units import in_bytes, shown

# With fewer columns, queues and topics are printed as lines instead of tables.
_TABLE_FITS = 70


def ring_tables(
    rows: Sequence[RingRow],
    width: int,
    before: Sequence[RingRow] = (),
    *,
    subscriptions: bool = True,
) -> Iterator[RenderableType]:
    """Tables of queues and topics, and of their subscriptions; in few columns, lines."""
    if width < _TABLE_FITS:
        yield from _lines(rows, before)
        return
    table = listing()
    table.add_column("", no_wrap=True)
    add_names(table, "name")
    add_figures(table, "messages", "size", "put/s", "waiting for", "missed")
    for row in rows:
        table.add_row(
            row.kind,
            name_cell(row.name),
            _messages(row),
            in_bytes(row.n_bytes),
            _rate(row, before),
            row.waiting or "-",
            f"{row.missed:,}" if row.kind == "topic" else "-",
        )
    yield table
    if subscriptions and any(row.subscriptions for row in rows):
        yield Text()
        yield _subscriptions(rows)


def _messages(row: RingRow) -> str:
    told = f"{row.messages:,}" + (f" of {row.limit:,}" if row.limit else "")
    if row.of_dead:
        told += f", {row.of_dead} of dead"
    return told


def _rate(row: RingRow, before: Sequence[RingRow]) -> str:
    rate = row.rate(earlier(row, before))
    return f"{rate:,.0f}" if rate >= 10 or rate == 0 else f"{rate:.1f}"


def _subscriptions(rows: Sequence[RingRow]) -> Table:
    table = listing()
    add_names(table, "subscription to")
    add_figures(table, "process")
    add_names(table, "name")
    add_figures(table, "to read", "missed")
    for row in rows:
        for each in row.subscriptions:
            table.add_row(
                name_cell(row.name),
                str(each.pid) if each.pid else "dead",
                name_cell(each.name or "-"),
                f"{each.behind:,}",
                f"{each.missed:,}",
            )
    return table


def _lines(rows: Sequence[RingRow], before: Sequence[RingRow]) -> Iterator[RenderableType]:
    for row in rows:
        yield Text(f"{row.kind} {shown(row.name)}", style="bold")
        told = [f"{_messages(row)} messages", in_bytes(row.n_bytes), f"{_rate(row, before)} put/s"]
        if row.waiting:
            told.append(f"waiting for {row.waiting}")
        if row.subscriptions:
            told.append(f"{len(row.subscriptions)} subscribed, {row.missed:,} missed")
        yield Padding(Text(", ".join(told)), (0, 0, 0, 2))
