"""Prints the result of one replay as tables, for `replay_command`."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from pagebuddy.tools.replaying.contiguity import HUGE_PAGE
from pagebuddy.tools.replaying.result import ReplayResult
from pagebuddy.tools.terminal.tables import in_rows
from pagebuddy.tools.terminal.units import counted, in_bytes, in_percent

SPANS = {"exact": "exact spans", "blocks": "whole blocks"}

_BOTH_FIT = 76
_MEANING = """\
blocks: number of free blocks; unusable: share of free memory in smaller blocks
fragmentation: 0: too little free memory; 1: enough, but scattered; -: available
"""


class Report:
    """A replay's figures, and a table of orders, for a rich console.

    Fits 80 columns; below 76 columns the table of orders shows only the peak.
    """

    def __init__(self, result: ReplayResult) -> None:
        self.result = result

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield in_rows(_figures(self.result))
        yield Text()
        yield _orders(self.result, both=options.max_width >= _BOTH_FIT)
        if self.result.contiguity:
            size = _huge_page(self.result)
            yield Text(f"{size} blocks: share of free memory in free blocks of {size}", style="dim")
        yield Text(_MEANING, style="dim")


def about_trace(result: ReplayResult) -> Iterator[tuple[str, str]]:
    """The facts about the trace, as names and texts."""
    yield "trace", result.trace
    yield "format", result.format
    replayed = f"{counted(result.allocs, 'allocation')} and {counted(result.frees, 'free')}"
    yield "events", f"{result.events:,}; replayed {replayed}"
    if result.assumed:
        yield "assumed", f"{counted(result.assumed, 'allocation')} from before the recording"
    if result.skipped_frees:
        yield "skipped", f"{counted(result.skipped_frees, 'free')} without a recorded allocation"
    if result.skipped_allocs:
        what = "an id" if result.unit == "bytes" else "a page"
        yield "skipped", f"{counted(result.skipped_allocs, 'allocation')} of {what} already in use"
    if result.differing_sizes:
        frees = counted(result.differing_sizes, "free")
        yield "differing", f"{frees} with another size than the allocation"
    if result.empty:
        yield "empty", f"{counted(result.empty, 'allocation')} of 0 bytes, which need no page"
    if result.disordered:
        events = counted(result.disordered, "event")
        yield (
            "out of order",
            f"{events} with an earlier time than the event before",
        )
    if result.failed_in_trace:
        allocations = counted(result.failed_in_trace, "allocation")
        yield "failed", f"{allocations} of the recorded system, not replayed"
    if result.lost:
        yield "lost", f"{counted(result.lost, 'event')} by the recorder"


def checked(overlaps: int) -> tuple[str, str]:
    """The result of the checks, as a name and a text."""
    if overlaps:
        return "OVERLAPS", f"{counted(overlaps, 'page')} allocated twice or outside the memory"
    return "checked", "no page was allocated twice; all invariants hold"


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
    yield "failures", f"{counted(result.failures, 'allocation')} did not fit"
    yield checked(result.overlaps)
    for name, stats in (("at the peak", result.peak), ("at the end", result.end)):
        size = in_bytes(stats.used * result.page_size)
        share = in_percent(stats.used / total)
        spans = counted(stats.n_spans, "span")
        yield name, f"{counted(stats.used, 'page')}, {size}, {share} used, in {spans}"
    if result.contiguity:
        yield f"{_huge_page(result)} blocks", _contiguity(result)
    if result.unit == "bytes" or result.rounding:
        yield "rounding", _rounding(result)
    if result.operations:
        yield "engine", _speed(result.operations, result.core_seconds)
        yield "with parsing", _speed(result.events, result.total_seconds)


def _huge_page(result: ReplayResult) -> str:
    return in_bytes(max(HUGE_PAGE, result.page_size))


def _contiguity(result: ReplayResult) -> str:
    shares = (fmean(result.contiguity), *result.contiguity[-2:])
    mean, late, end = map(in_percent, shares)
    return f"mean {mean}, at 15/16 of events {late}, at the end {end}"


def _rounding(result: ReplayResult) -> str:
    if result.rounding == 0:
        return "no memory lost at the peak: sizes are whole pages"
    used = result.peak.used * result.page_size
    share = in_percent(result.rounding / used)
    lost = in_bytes(result.rounding)
    return f"{lost} of {in_bytes(used)} used at the peak was not requested, {share}"


def _speed(events: int, seconds: float) -> str:
    nanoseconds = 1e9 * seconds / events
    return f"{events / seconds:,.0f} events/s, {nanoseconds:,.0f} ns per event"


def _orders(result: ReplayResult, *, both: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("order", justify="right", no_wrap=True)
    table.add_column("block", justify="right", no_wrap=True)
    for head in ("blocks", "unusable", "fragmentation"):
        table.add_column(f"{head}\npeak", justify="right", no_wrap=True)
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
    # -1 as in Linux: a free block of this order is available.
    return "-" if index == -1 else f"{index:.2f}"
