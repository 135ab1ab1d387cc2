"""What a replay found, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from pagebuddy.tools.replay_result import ReplayResult
from pagebuddy.tools.units import counted, in_bytes, in_percent

_BOTH_FIT = 76
_MEANING = """\
blocks: free ones; unusable: the share of what is free that lies in smaller ones
fragmentation: why there is no such block, from 0 too little free to 1 scattered
"""


class Report:
    """A replay's figures and those of each order, for a rich console to print: two tables.

    They fit 80 columns; in fewer than 76 the orders are told for the fullest moment alone.
    """

    def __init__(self, result: ReplayResult) -> None:
        self.result = result

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        summary = Table.grid(padding=(0, 2))
        summary.add_column(style="bold", no_wrap=True)
        summary.add_column(overflow="fold")
        for name, text in _figures(self.result):
            summary.add_row(name, Text(text))
        yield summary
        yield Text()
        yield _orders(self.result, both=options.max_width >= _BOTH_FIT)
        yield Text(_MEANING, style="dim")


def _figures(result: ReplayResult) -> Iterator[tuple[str, str]]:
    total = result.peak.n_pages
    ranges = counted(len(result.fullest.ranges), "page range")
    yield "trace", result.trace
    yield "memory", f"{in_bytes(total * result.page_size)} in {ranges}"
    yield (
        "allocator",
        f"pages of {in_bytes(result.page_size)}, orders 0 to {result.max_order}, "
        + ("compiled" if result.compiled else "not compiled"),
    )
    replayed = f"{counted(result.allocs, 'allocation')} and {counted(result.frees, 'free')}"
    yield "events", f"{result.events:,}, of which {replayed} replayed"
    if result.skipped_frees:
        yield "skipped", f"{counted(result.skipped_frees, 'free')} without a recorded allocation"
    if result.skipped_allocs:
        yield "skipped", f"{counted(result.skipped_allocs, 'allocation')} of a page still live"
    if result.differing_orders:
        frees = counted(result.differing_orders, "free")
        yield "differing", f"{frees} told another order than the allocation"
    if result.failed_in_trace:
        yield "recorded", f"{counted(result.failed_in_trace, 'allocation')} had failed already"
    if result.lost:
        yield "lost", f"{counted(result.lost, 'event')} while recording"
    yield "failures", f"{counted(result.failures, 'allocation')} found no room"
    if result.overlaps:
        yield "OVERLAPS", f"{counted(result.overlaps, 'page')} given to two spans at once"
    else:
        yield "checked", "no page given out twice, every invariant holds"
    for name, stats in (("fullest", result.peak), ("in the end", result.end)):
        size = in_bytes(stats.used * result.page_size)
        share = in_percent(stats.used / total)
        spans = counted(stats.n_spans, "span")
        yield name, f"{counted(stats.used, 'page')}, {size}, {share} used, in {spans}"
    if result.operations:
        yield "in the core", _speed(result.operations, result.core_seconds)
        yield "with parsing", _speed(result.events, result.total_seconds)


def _speed(events: int, seconds: float) -> str:
    nanoseconds = 1e9 * seconds / events
    return f"{events / seconds:,.0f} events a second, {nanoseconds:,.0f} ns each"


def _orders(result: ReplayResult, *, both: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("order", justify="right", no_wrap=True)
    table.add_column("block", justify="right", no_wrap=True)
    for head in ("blocks", "unusable", "fragmentation"):
        table.add_column(f"{head}\nfullest", justify="right", no_wrap=True)
        if both:
            table.add_column("\nend", justify="right", no_wrap=True)
    moments = (result.peak, result.end) if both else (result.peak,)
    for order in range(result.fullest.top_order + 1):
        table.add_row(
            str(order),
            in_bytes(result.page_size << order),
            *(f"{stats.free_blocks[order]:,}" for stats in moments),
            *(in_percent(stats.unusable(order)) for stats in moments),
            *(_fragmentation(stats.fragmentation(order)) for stats in moments),
        )
    return table


def _fragmentation(index: float) -> str:
    # Linux's -1: a block is to be had, so there is nothing to explain.
    return "-" if index == -1 else f"{index:.2f}"
