"""Prints the results of several replays side by side, for `replay_command`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pagebuddy.tools.replaying.contiguity import HUGE_PAGE
from pagebuddy.tools.replaying.report import SPANS, about_trace, checked
from pagebuddy.tools.replaying.result import ReplayResult
from pagebuddy.tools.terminal.tables import in_rows
from pagebuddy.tools.terminal.units import in_bytes, in_percent

_MEANING = {
    "rounding": "share of the used memory that was not requested",
    "unusable": "share of the free memory in smaller blocks",
    "contiguous": "mean share of the free memory in free blocks of 2 MiB",
    "engine": "time of an operation in the engine",
}


class Column(NamedTuple):
    """A column of the table: its head, and the text for a replay.

    If all replays agree, the column is left out and `in_words` states the common value instead.
    """

    head: str
    of: Callable[[ReplayResult], str]
    in_words: str = ""


_VARIED = (
    Column("page", lambda result: in_bytes(result.page_size), "pages of {}"),
    Column("top\norder", lambda result: str(result.max_order), "orders 0 to {}"),
    Column("policy", lambda result: result.policy, "{}"),
)


class Comparison:
    """Results of replays of one trace as a table for a rich console, a line per replay.

    Common facts are printed once, above. `unusable` is for blocks of 2 MiB, or of the largest size
    that all replays have, so that it compares blocks of the same size. Fits 80 columns; narrower
    consoles get fewer columns.
    """

    def __init__(self, results: Sequence[ReplayResult]) -> None:
        self.results = results

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield in_rows(self._shared())
        yield Text()
        varied = [column for column in _VARIED if self._varies(column)]
        figures = self._figures()
        table = self._table([*varied, *figures])
        while len(figures) > 1 and _width(console, options, table) > options.max_width:
            figures.pop()
            table = self._table([*varied, *figures])
        yield table
        yield Text("each line is one replay, at its peak", style="dim")
        shown = {figure.head.split("\n")[0] for figure in figures}
        meaning = [f"{head}: {text}\n" for head, text in _MEANING.items() if head in shown]
        yield Text("".join(meaning), style="dim")

    def _shared(self) -> Iterator[tuple[str, str]]:
        first = self.results[0]
        yield from about_trace(first)
        sizes = [in_bytes(result.peak.n_pages * result.page_size) for result in self.results]
        yield "memory", " or ".join(dict.fromkeys(sizes))
        same = [
            SPANS.get(column.of(first), column.in_words.format(column.of(first)))
            for column in _VARIED
            if not self._varies(column)
        ]
        yield "allocator", ", ".join([*same, "compiled" if first.compiled else "not compiled"])
        yield checked(sum(result.overlaps for result in self.results))

    def _varies(self, column: Column) -> bool:
        return len({column.of(result) for result in self.results}) > 1

    def _figures(self) -> list[Column]:
        """The columns of figures, the most important first."""
        tops = (result.page_size << result.fullest.top_order for result in self.results)
        block = min(HUGE_PAGE, *tops)
        has_huge = any(result.contiguity for result in self.results)
        contiguous = [Column("contiguous\n2 MiB", _contiguous)] if has_huge else []
        return [
            Column("failed", lambda result: f"{result.failures:,}"),
            Column("used", lambda result: in_bytes(result.peak.used * result.page_size)),
            Column("rounding", _rounding),
            Column(f"unusable\n{in_bytes(block)}", lambda result: _unusable(result, block)),
            *contiguous,
            Column("largest\nfree", _largest_free),
            Column("engine", _core),
        ]

    def _table(self, columns: Sequence[Column]) -> Table:
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for column in columns:
            table.add_column(column.head, justify="right", no_wrap=True)
        for result in self.results:
            table.add_row(*(column.of(result) for column in columns))
        return table


def _width(console: Console, options: ConsoleOptions, table: Table) -> int:
    return Measurement.get(console, options.update(width=1000), table).maximum


def _rounding(result: ReplayResult) -> str:
    used = result.peak.used * result.page_size
    return in_percent(result.rounding / used) if used else "-"


def _unusable(result: ReplayResult, block: int) -> str:
    # With pages larger than this block, order 0 is enough.
    return in_percent(result.peak.unusable(max(block // result.page_size, 1).bit_length() - 1))


def _contiguous(result: ReplayResult) -> str:
    mean = result.mean_contiguity
    return "-" if mean is None else in_percent(mean)


def _largest_free(result: ReplayResult) -> str:
    return in_bytes(result.peak.largest_free * result.page_size)


def _core(result: ReplayResult) -> str:
    return f"{1e9 * result.core_seconds / result.operations:.0f} ns" if result.operations else "-"
