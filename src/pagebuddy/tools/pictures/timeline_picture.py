"""A timeline in a terminal, a line for each figure. Used by `replay`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from pagebuddy import Stats
from pagebuddy.tools.pictures.timeline import Timeline
from pagebuddy.tools.terminal.units import in_bytes, in_percent

# From 0 (blank) to the top of a line's scale.
_STEPS, _ASCII_STEPS = " ▁▂▃▄▅▆▇█", " .:-=+*#@"
_MIN_COLUMNS = 8
_NAME = len("largest free  ")


class _Figure(NamedTuple):
    """A line: its name, its value, the top of its scale, and the label of the top."""

    name: str
    of: Callable[[Stats], float]
    top: float
    scale: str


class TimelinePicture:
    """A timeline for a rich console: used memory, the largest free run, and unusable free memory.

    Unusable is the share of free memory that is not in blocks of the highest order. Each character shows
    the maximum of an interval; the label at the end of a line is its overall maximum.

    >>> from pagebuddy import BuddyAllocator
    >>> buddy, timeline = BuddyAllocator(64), Timeline()
    >>> timeline.look(buddy)
    >>> for stop in timeline.stops(64):
    ...     page = buddy.alloc(16)
    ...     timeline.look(buddy)
    >>> Console(width=60, color_system=None).print(TimelinePicture(timeline))
    used                 ▂▂▂▂▂▂▂▄▄▄▄▄▄▄▆▆▆▆▆▆▆█ 256 KiB, 100 %
    largest free  ███████▆▆▆▆▆▆▆▄▄▄▄▄▄▄▂▂▂▂▂▂▂  256 KiB
    unusable             █████████████████████  100 % at order 6
    operations    64 from left to right
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        timeline = self.timeline
        if not timeline.moments:
            yield Text("no operations")
            return
        steps = _ASCII_STEPS if options.ascii_only else _STEPS
        figures = list(_figures(timeline))
        behind = max(len(figure.scale) for figure in figures) + 1
        columns = max(options.max_width - _NAME - behind, _MIN_COLUMNS)
        for figure in figures:
            line = "".join(
                steps[_step(value / figure.top if figure.top else 0.0, len(steps))]
                for value in _columns(timeline, figure, columns)
            )
            text = Text(f"{figure.name:{_NAME}}", no_wrap=True, overflow="crop")
            yield text.append(line).append(f" {figure.scale}")
        yield Text(f"{'operations':{_NAME}}{timeline.operations:,} from left to right")


def _figures(timeline: Timeline) -> Iterator[_Figure]:
    first = timeline.moments[0].stats
    size, order = timeline.page_size, timeline.top_order
    used = max(moment.stats.used for moment in timeline.moments)
    largest = max(moment.stats.largest_free for moment in timeline.moments)
    share = in_percent(used / first.n_pages)
    yield _Figure("used", lambda stats: stats.used, used, f"{in_bytes(used * size)}, {share}")
    yield _Figure(
        "largest free", lambda stats: stats.largest_free, largest, in_bytes(largest * size)
    )
    unusable = max(moment.stats.unusable(order) for moment in timeline.moments)
    yield _Figure(
        "unusable",
        lambda stats: stats.unusable(order),
        unusable,
        f"{in_percent(unusable)} at order {order}",
    )


def _columns(timeline: Timeline, figure: _Figure, columns: int) -> list[float]:
    """The maximum in each column's interval; without a look, the value before."""
    end = max(timeline.operations, 1)
    values: list[float | None] = [None] * columns
    for operations, stats in timeline.moments:
        column = min(operations * columns // end, columns - 1)
        values[column] = max(figure.of(stats), values[column] or 0.0)
    shown: list[float] = []
    for value in values:
        shown.append(value if value is not None else shown[-1])
    return shown


def _step(share: float, n_steps: int) -> int:
    """The step for a share from 0 to 1, rounded up, so that only 0 is blank."""
    return min(-int(-share * (n_steps - 1) // 1), n_steps - 1)
