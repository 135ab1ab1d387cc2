"""What a replay found, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from pagebuddy.tools.replaying.result import ReplayResult
from pagebuddy.tools.terminal.tables import in_rows
from pagebuddy.tools.terminal.units import counted, in_bytes, in_percent

SPANS = {"exact": "exact spans", "blocks": "whole blocks"}

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
        yield in_rows(_figures(self.result))
        yield Text()
        yield _orders(self.result, both=options.max_width >= _BOTH_FIT)
        yield Text(_MEANING, style="dim")


def about_trace(result: ReplayResult) -> Iterator[tuple[str, str]]:
    """What there is to say of the trace itself: names and texts."""
    yield "trace", result.trace
    yield "format", result.format
    replayed = f"{counted(result.allocs, 'allocation')} and {counted(result.frees, 'free')}"
    yield "events", f"{result.events:,}, of which {replayed} replayed"
    if result.assumed:
        yield "assumed", f"{counted(result.assumed, 'allocation')} from before the recording"
    if result.skipped_frees:
        yield "skipped", f"{counted(result.skipped_frees, 'free')} without a recorded allocation"
    if result.skipped_allocs:
        what = "an id" if result.unit == "bytes" else "a page"
        yield "skipped", f"{counted(result.skipped_allocs, 'allocation')} of {what} still live"
    if result.differing_sizes:
        frees = counted(result.differing_sizes, "free")
        yield "differing", f"{frees} told another size than the allocation"
    if result.empty:
        yield "empty", f"{counted(result.empty, 'allocation')} of no bytes, which take no page"
    if result.disordered:
        events = counted(result.disordered, "event")
        yield "out of order", f"{events} earlier than the one before, replayed as they stand"
    if result.failed_in_trace:
        yield "recorded", f"{counted(result.failed_in_trace, 'allocation')} had failed already"
    if result.lost:
        yield "lost", f"{counted(result.lost, 'event')} while recording"


def checked(overlaps: int) -> tuple[str, str]:
    """What the checks found: a name and a text."""
    if overlaps:
        return "OVERLAPS", f"{counted(overlaps, 'page')} given to two spans at once"
    return "checked", "no page given out twice, every invariant holds"


def _figures(result: ReplayResult) -> Iterator[tuple[str, str]]:
    yield from about_trace(result)
    total = result.peak.n_pages
    ranges = counted(len(result.fullest.ranges), "page range")
    yield "memory", f"{in_bytes(total * result.page_size)} in {ranges}"
    yield (
        "allocator",
        f"pages of {in_bytes(result.page_size)}, orders 0 to {result.max_order}, "
        f"{SPANS[result.policy]}, {'compiled' if result.compiled else 'not compiled'}",
    )
    yield "failures", f"{counted(result.failures, 'allocation')} found no room"
    yield checked(result.overlaps)
    for name, stats in (("fullest", result.peak), ("in the end", result.end)):
        size = in_bytes(stats.used * result.page_size)
        share = in_percent(stats.used / total)
        spans = counted(stats.n_spans, "span")
        yield name, f"{counted(stats.used, 'page')}, {size}, {share} used, in {spans}"
    if result.unit == "bytes" or result.rounding:
        yield "rounding", _rounding(result)
    if result.operations:
        yield "in the core", _speed(result.operations, result.core_seconds)
        yield "with parsing", _speed(result.events, result.total_seconds)


def _rounding(result: ReplayResult) -> str:
    if result.rounding == 0:
        return "costs nothing: at the fullest every page is whole"
    used = result.peak.used * result.page_size
    share = in_percent(result.rounding / used)
    return f"at the fullest {in_bytes(result.rounding)} of {in_bytes(used)} used is waste, {share}"


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
