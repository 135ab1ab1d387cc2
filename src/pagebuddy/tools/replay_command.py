"""The verb `replay`."""

from __future__ import annotations

import json
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from pagebuddy import PageRanges
from pagebuddy.tools import replay_ranges
from pagebuddy.tools.picture import Picture
from pagebuddy.tools.refusal import MissingExtra, plain_refusals
from pagebuddy.tools.replay import replay
from pagebuddy.tools.replay_result import ReplayResult
from pagebuddy.tools.report import Report
from pagebuddy.tools.timeline import Timeline
from pagebuddy.tools.timeline_picture import TimelinePicture
from pagebuddy.tools.trace import Trace
from pagebuddy.tools.units import in_bytes, in_percent


class Moment(str, Enum):
    """A moment of a replay to draw."""

    FULLEST = "fullest"
    END = "end"


def replay_command(
    trace: Annotated[
        Path,
        typer.Argument(
            metavar="TRACE",
            help="CSV with the columns event,pfn,order, or ftrace text with the events "
            "mm_page_alloc and mm_page_free; gzipped or not.",
        ),
    ],
    memory_map: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP",
            help="The memory to replay on: a copy of /proc/iomem, BIOS e820 lines, or a folder "
            "like /sys/firmware/memmap. Without it, one range from the lowest to the highest "
            "page of the trace.",
        ),
    ] = None,
    page_size: Annotated[
        int,
        typer.Option(
            metavar="BYTES", help="Bytes in a page, a power of two. Orders stay as recorded."
        ),
    ] = 4096,
    max_order: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=31, help="The largest block has 2^N pages."),
    ] = 10,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the memory into a .svg, .png or .pdf file, too."),
    ] = None,
    over_time: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw what became of the memory over time, likewise."),
    ] = None,
    at: Annotated[Moment, typer.Option(help="Which moment to draw.")] = Moment.FULLEST,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as JSON, and nothing else.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            help="No progress bar; print nothing but errors, and JSON if asked for.",
        ),
    ] = False,
) -> None:
    """Replay a recorded page stream, check and time it, draw the memory.

    Where each page goes is decided anew; when, how much, and what belongs together is from the
    trace. An owner map checks that no page is given out twice.

    The recorded server on its own memory, then the same on larger blocks, as figures, and drawn:

    \b
      pagebuddy replay data/kernel-server.csv.gz --memory-map data/iomem.txt
      pagebuddy replay trace.csv --max-order 18
      pagebuddy replay trace.csv --json > figures.json
      pagebuddy replay trace.csv --at end --picture end.svg --over-time all.svg

    Exit code: 0; 1 if the allocator broke an invariant; 2 if something given is wrong.
    """
    with plain_refusals():
        for path in (picture, over_time):
            if path is not None:
                _check_picture(path)
        timeline = Timeline() if over_time is not None else None
        recording = Trace(trace)
        ranges = _ranges(recording, memory_map, page_size)
        result = _replay(recording, ranges, page_size, max_order, timeline, show=not quiet)
        layout = result.fullest if at is Moment.FULLEST else result.final
        if picture is not None:
            from pagebuddy.tools.plot import draw

            draw(layout, picture, title=_title(result, at))
        if over_time is not None and timeline is not None:
            _draw_timeline(timeline, over_time)
    if as_json:
        typer.echo(json.dumps(result.as_dict(), indent=2))
    elif not quiet:
        console = Console(highlight=False)
        console.print(Report(result))
        console.print(Text(_title(result, at), style="bold"))
        console.print(Picture(layout))
        if timeline is not None:
            console.print()
            console.print(TimelinePicture(timeline))
    if result.overlaps:
        raise typer.Exit(1)


def _check_picture(path: Path) -> None:
    """Refuse before the work what could not be drawn after it."""
    from pagebuddy.tools.plot import check_name

    check_name(path)
    if not path.absolute().parent.is_dir():
        raise ValueError(f"cannot draw {path}: there is no folder {path.parent}")
    if path.suffix.lower() == ".svg":
        return
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtra("plot") from None


def _draw_timeline(timeline: Timeline, path: Path) -> None:
    from pagebuddy.tools.plot import save
    from pagebuddy.tools.timeline_sheet import timeline_sheet

    save(timeline_sheet(timeline, title="Memory over time"), path)


def _ranges(trace: Trace, memory_map: Path | None, page_size: int) -> PageRanges:
    if memory_map is not None:
        return replay_ranges.from_map(memory_map, page_size)
    return replay_ranges.from_trace(trace)


def _replay(
    trace: Trace,
    ranges: PageRanges,
    page_size: int,
    max_order: int,
    timeline: Timeline | None,
    *,
    show: bool,
) -> ReplayResult:
    """Replay, with a progress bar on stderr where that is a terminal."""
    run = partial(
        replay, trace, ranges, page_size=page_size, max_order=max_order, timeline=timeline
    )
    console = Console(stderr=True)
    if not (show and console.is_terminal):
        return run()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[events]:,} events"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("replaying", total=1.0, events=0)

        def advance(share: float) -> None:
            bar.update(task, completed=share, events=trace.n_events)

        return run(progress=advance)


def _title(result: ReplayResult, at: Moment) -> str:
    name, stats = (
        ("Memory at its fullest", result.peak)
        if at is Moment.FULLEST
        else ("Memory in the end", result.end)
    )
    used, total = (in_bytes(n * result.page_size) for n in (stats.used, stats.n_pages))
    return f"{name}: {used} of {total} used, {in_percent(stats.used / stats.n_pages)}"
