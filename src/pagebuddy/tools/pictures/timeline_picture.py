"""What became of memory over time, in a terminal: a line for each figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from pagebuddy import Stats
from pagebuddy.tools.pictures.timeline import Timeline
from pagebuddy.tools.terminal.units import in_bytes, in_percent

# From next to nothing to all of a line's scale; nothing at all is a blank.
_STEPS, _ASCII_STEPS = " ▁▂▃▄▅▆▇█", " .:-=+*#@"
_MIN_COLUMNS = 8
_NAME = len("largest free  ")


class _Figure(NamedTuple):
    """A line: its name, what of the figures it shows, its scale and how that is written."""

    name: str
    of: Callable[[Stats], float]
    top: float
    scale: str


class TimelinePicture:
    """A timeline, for a rich console to print: three lines, of `used` and `largest_free` pages, and
    of the share of free pages that is unusable for the largest blocks.

    Each character is a stretch of time, as high as the highest in it; behind a line is told what its
    highest is. Without any moment there is nothing to see, which is said.

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
            yield Text("nothing happened")
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
    """Of each column's stretch the highest value; where there was no look, the one before."""
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
    """Which step a share from 0 to 1 takes: the lowest for nothing alone."""
    return min(-int(-share * (n_steps - 1) // 1), n_steps - 1)
