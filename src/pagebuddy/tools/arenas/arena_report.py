"""Prints an arena's figures, for `stat`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pagebuddy.arena.looking.rings import RingRow, rings_of
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.arena.stats import ArenaStats
from pagebuddy.pool.rings import Figures
from pagebuddy.sharing.joining.listing import ProcessRow
from pagebuddy.sharing.joining.unclaimed_handles import Sender, senders_of
from pagebuddy.tools.arenas.arena_layout import layout_of
from pagebuddy.tools.arenas.pools import pools_of
from pagebuddy.tools.arenas.ring_tables import ring_tables
from pagebuddy.tools.pictures.free_by_order import FreeByOrder
from pagebuddy.tools.terminal.tables import add_figures, add_names, in_rows, listing, name_cell
from pagebuddy.tools.terminal.units import counted, in_bytes, in_percent, shown

# With fewer columns, processes are printed as lines instead of a table.
_TABLE_FITS = 60

# In a terminal with few lines, at least so many orders are printed before processes are left out.
_ORDERS = 5

# Those who sent the oldest unclaimed handles.
_SENDERS = 3


class ArenaReport:
    """Used and free memory, the attached processes, queues and topics, and free blocks by order.

    Rates of messages are those since an earlier look at the rings, or since they were made.
    """

    def __init__(self, snapshot: Snapshot, before: Sequence[RingRow] = ()) -> None:
        self.rings = rings_of(snapshot)
        self.before = before
        self.pools = pools_of(snapshot)
        self.name = snapshot.name
        self.stats = snapshot.stats()
        self.processes = snapshot.processes()
        self.senders = senders_of(snapshot._open)
        self.layout = layout_of(snapshot)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.told(options.max_width, len(self.processes))

    def told(self, width: int, n_processes: int, most: int | None = None) -> RenderableType:
        """The report with at most so many processes, and with orders limited as in `FreeByOrder`."""
        figures = [*_figures(self.name, self.stats, self.senders), *map(_told, self.pools)]
        parts: list[RenderableType] = [in_rows(iter(figures))]
        if self.processes:
            parts.append(Text())
            listed = self.processes[:n_processes]
            parts += _lines(listed) if width < _TABLE_FITS else [_table(listed)]
            if left_out := len(self.processes) - n_processes:
                parts.append(Text(f"and {left_out} more"))
        if self.rings:
            parts += [Text(), *ring_tables(self.rings, width, self.before)]
        return Group(*parts, Text(), FreeByOrder(self.layout, most=most))


class Watched:
    """A report that fits the lines of a terminal if possible, and says what it leaves out.

    It leaves out orders without a free block, then low orders except `_ORDERS`, then processes.
    """

    def __init__(self, report: ArenaReport) -> None:
        self.report = report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, n = options.max_width, len(self.report.processes)
        most = self.report.layout.top_order + 1
        told = self.report.told(width, n)
        while _height(told, console, options) > console.height and most + n:
            told = self.report.told(width, n, most)
            if most > _ORDERS or n == 0:
                most -= 1
            else:
                n -= 1
        yield told


def _height(told: RenderableType, console: Console, options: ConsoleOptions) -> int:
    return len(console.render_lines(told, options.update(height=None), pad=False))


def in_a_line(stats: ArenaStats) -> str:
    """The changing figures, in one line."""
    used = f"{in_bytes(stats.used_bytes)} used in {counted(stats.n_spans, 'buffer')}"
    processes = "1 process" if stats.processes == 1 else f"{stats.processes} processes"
    dead = f", {stats.dead} dead" if stats.dead else ""
    return f"{used}, largest free {in_bytes(stats.largest_free_bytes)}, {processes}{dead}"


def _figures(name: str, stats: ArenaStats, senders: list[Sender]) -> Iterator[tuple[str, str]]:
    yield "arena", name
    pages = f"{counted(stats.n_pages, 'page')} of {in_bytes(stats.page_size)}"
    yield "size", f"{in_bytes(stats.n_bytes)} in {pages}"
    share = in_percent(stats.used / stats.n_pages)
    yield "used", f"{in_bytes(stats.used_bytes)}, {share}, in {counted(stats.n_spans, 'buffer')}"
    largest = in_bytes(stats.largest_free_bytes)
    yield "free", f"{in_bytes(stats.free_bytes)}, the largest run {largest}"
    yield "kept", f"{counted(stats.kept, 'buffer')}, of {counted(stats.keys, 'key')}"
    if stats.tickets:
        yield "sent", f"{counted(stats.tickets, 'handle')} not yet claimed"
    for sender in senders[:_SENDERS]:
        who = shown(f"{sender.pid} {sender.name}").rstrip() if sender.pid else "an ended process"
        kept = f"{counted(sender.n_handles, 'handle')}, {in_bytes(sender.n_bytes)}"
        yield "", f"{kept}, the oldest {sender.age_s:.0f} s old, by {who}"
    if counts := _counts(stats):
        yield "so far", counts
    if stats.dead:
        yield "dead", f"{stats.dead} of {stats.processes} attached; run: pagebuddy reap {name}"


def _counts(stats: ArenaStats) -> str:
    """What happened since the arena was created, as far as it did."""
    times = (
        (stats.failed, f"{counted(stats.failed, 'allocation')} failed"),
        (stats.lock_waits, f"{counted(stats.lock_waits, 'wait')} for the lock"),
        (stats.reaped, f"{stats.reaped:,} dead reaped"),
        (stats.expired, f"{counted(stats.expired, 'handle')} expired"),
    )
    return ", ".join(told for n, told in times if n)


def _told(pool: Figures) -> tuple[str, str]:
    """A pool, as a row of figures."""
    calls = f"{pool.waiting:,} waiting, {pool.sent:,} sent, {pool.done:,} done"
    return "pool", f"{counted(pool.workers, 'worker')} of process {pool.pid}; calls: {calls}"


def _lines(processes: list[ProcessRow]) -> Iterator[RenderableType]:
    for row in processes:
        yield Text(shown(f"{row.pid or '-'} {row.name}").rstrip(), style="bold")
        held = f"{counted(row.buffers, 'buffer')}, {in_bytes(row.nbytes)}"
        yield Padding(Text(f"slot {row.slot}, {_state(row)}, {held}"), (0, 0, 0, 2))


def _state(row: ProcessRow) -> str:
    state = "alive" if row.alive else "dead"
    # Processes that were forked from it share its slot.
    return f"{state}, forked" if row.sticky else state


def _table(processes: list[ProcessRow]) -> Table:
    table = listing()
    add_figures(table, "slot", "process")
    add_names(table, "name")
    table.add_column("state", no_wrap=True)
    add_figures(table, "buffers", "size")
    for row in processes:
        table.add_row(
            str(row.slot),
            str(row.pid or "-"),
            name_cell(row.name or "-"),
            _state(row),
            f"{row.buffers:,}",
            in_bytes(row.nbytes),
        )
    return table
