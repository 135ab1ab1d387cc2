"""Computes the rows of a table from samples. Used by the verb `bench` and by `benchmarks/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagebuddy.tools.bench.timing import Samples

RATIO = "times"


@dataclass(frozen=True)
class Row:
    """A row: the sum of samples `parts` of a round, minus that of `less`, over that of `over`.

    Multiplied by `scale`.
    """

    section: str
    title: str
    unit: str
    parts: tuple[str, ...]
    over: tuple[str, ...] = ()
    scale: float = 1.0
    reach: float | None = None
    """The goal: the largest median, or the smallest with `at_least`."""

    at_least: bool = False
    less: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A measured row."""

    row: Row
    median: float
    lowest: float
    highest: float
    rounds: int

    @property
    def reached(self) -> bool | None:
        """Whether the median reaches the goal; None without a goal."""
        reach = self.row.reach
        if reach is None:
            return None
        return self.median >= reach if self.row.at_least else self.median <= reach


def figures(rows: Sequence[Row], samples: Samples) -> list[Figure]:
    """The figures of the rows whose parts were all measured.

    A ratio is computed in each round, because a slow moment of the machine affects both sides.
    """
    measured = []
    for row in rows:
        if all(name in samples for name in (*row.parts, *row.less, *row.over)):
            values = _sums(row.parts, samples)
            if row.less:
                less = _sums(row.less, samples)
                values = [value - part for value, part in zip(values, less, strict=True)]
            values = [value * row.scale for value in values]
            if row.over:
                values = [
                    value / divisor
                    for value, divisor in zip(values, _sums(row.over, samples), strict=True)
                ]
            measured.append(Figure(row, median(values), min(values), max(values), len(values)))
    return measured


def _sums(names: Sequence[str], samples: Samples) -> list[float]:
    return [sum(parts) for parts in zip(*(samples[name] for name in names), strict=True)]


def short(number: float) -> str:
    """A number with about three significant digits.

    >>> short(0.1234), short(12.34), short(12345.6)
    ('0.12', '12.3', '12,346')
    """
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"
