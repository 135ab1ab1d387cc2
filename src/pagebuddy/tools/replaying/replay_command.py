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

from pagebuddy.memory.sizes import bytes_of
from pagebuddy.tools.pictures.picture import Picture
from pagebuddy.tools.pictures.timeline import Timeline
from pagebuddy.tools.pictures.timeline_picture import TimelinePicture
from pagebuddy.tools.replaying.comparison import Comparison
from pagebuddy.tools.replaying.replay import compare
from pagebuddy.tools.replaying.report import Report
from pagebuddy.tools.replaying.result import ReplayResult
from pagebuddy.tools.replaying.variant import Variant
from pagebuddy.tools.replaying.variants import variants_of, with_ranges
from pagebuddy.tools.terminal.refusal import MissingExtra, plain_refusals
from pagebuddy.tools.terminal.units import in_bytes, in_percent
from pagebuddy.tools.traces.trace import Trace


class Moment(str, Enum):
    """The moment of a replay to draw: the peak, or the end."""

    FULLEST = "fullest"
    END = "end"


def replay_command(
    trace: Annotated[
        Path,
        typer.Argument(
            metavar="TRACE",
            help="A trace: CSV with the columns event,pfn,order or op,id,bytes; ftrace text with "
            "the events mm_page_alloc and mm_page_free; a log of RMM's logging adaptor; or a "
            "pickled snapshot of PyTorch's memory. May be gzipped.",
        ),
    ],
    memory_map: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP",
            help="Replay on the memory of this map: a copy of /proc/iomem, BIOS e820 lines, or a "
            "folder like /sys/firmware/memmap. By default one range that is large enough: from "
            "the trace's lowest to its highest page, or twice its peak in bytes, rounded up to a "
            "power of two.",
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Replay on one range of this size, for example '16 GiB'."
        ),
    ] = None,
    page_size: Annotated[
        str,
        typer.Option(
            metavar="SIZE,…",
            help="Page size in bytes, a power of two. Several sizes are compared.",
        ),
    ] = "4096",
    max_order: Annotated[
        str | None,
        typer.Option(
            metavar="N,…",
            help="The largest block has 2^N pages. Several are compared. By default 10, as in "
            "Linux; for a trace of bytes as large as the memory allows.",
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY,…",
            help="How sizes are rounded: exact, up to whole pages; blocks, up to a power of two of "
            "pages. Several are compared. By default as recorded: blocks for a trace of pages, "
            "exact for a trace of bytes.",
        ),
    ] = None,
    recorded_page_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Page size of the recorded kernel in bytes.")
    ] = "4096",
    device: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="The device to replay from a PyTorch snapshot."),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also draw the memory into this .svg, .png or .pdf file."
        ),
    ] = None,
    over_time: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draw used and free memory over time."),
    ] = None,
    at: Annotated[
        Moment, typer.Option(help="Draw the moment when most pages were used, or the end.")
    ] = Moment.FULLEST,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only the figures, as JSON.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            help="Print only errors (and JSON with --json); show no progress bar.",
        ),
    ] = False,
) -> None:
    """Replay recorded allocations: check, measure and draw them.

    The trace determines the order and the sizes of allocations and frees; the allocator chooses
    the pages. The replay checks that no page is allocated twice. The report says how fragmented
    the memory was: at the peak, at the end, and how much of the free memory lay in free blocks of
    2 MiB over the whole trace.

    The examples replay a server's trace on the memory of that server; print JSON; draw pictures;
    compare highest orders; compare page sizes and rounding:

    \b
      pagebuddy replay data/kernel-server.csv.gz --memory-map data/iomem.txt
      pagebuddy replay trace.csv --json > figures.json
      pagebuddy replay trace.csv --at end --picture end.svg --over-time all.svg
      pagebuddy replay trace.csv --max-order 9,10,18
      pagebuddy replay rmm.csv --page-size 4KiB,64KiB --policy exact,blocks

    Exit code: 0 on success; 1 if the allocator broke an invariant; 2 if an argument or the trace
    is wrong.
    """
    with plain_refusals():
        variants = variants_of(page_size, max_order, policy)
        for path in (picture, over_time):
            if path is not None:
                _check_picture(path, len(variants))
        timeline = Timeline() if over_time is not None else None
        recorded = bytes_of(recorded_page_size, "recorded page size")
        recording = Trace(trace, page_size=recorded, device=device)
        variants = with_ranges(variants, recording, memory_map, memory)
        results = _replay(recording, variants, timeline, show=not quiet)
        result = results[0]
        layout = result.fullest if at is Moment.FULLEST else result.final
        if picture is not None:
            from pagebuddy.tools.pictures.plot import draw

            draw(layout, picture, title=_title(result, at))
        if over_time is not None and timeline is not None:
            _draw_timeline(timeline, over_time)
    if as_json:
        figures = [result.as_dict() for result in results]
        typer.echo(json.dumps(figures if len(figures) > 1 else figures[0], indent=2))
    elif not quiet:
        console = Console(highlight=False)
        if len(results) > 1:
            console.print(Comparison(results))
        else:
            console.print(Report(result))
            console.print(Text(_title(result, at), style="bold"))
            console.print(Picture(layout))
        if timeline is not None:
            console.print()
            console.print(TimelinePicture(timeline))
    if any(result.overlaps for result in results):
        raise typer.Exit(1)


def _check_picture(path: Path, n_replays: int) -> None:
    """Raise before the replay if the picture could not be drawn after it."""
    from pagebuddy.tools.pictures.plot import check_name

    check_name(path)
    if n_replays > 1:
        raise ValueError(
            f"cannot draw {n_replays} replays in one picture; give one --page-size, one "
            "--max-order and one --policy"
        )
    if not path.absolute().parent.is_dir():
        raise ValueError(f"cannot draw {path}: the folder {path.parent} does not exist")
    if path.suffix.lower() == ".svg":
        return
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtra("plot") from None


def _draw_timeline(timeline: Timeline, path: Path) -> None:
    from pagebuddy.tools.pictures.plot import save
    from pagebuddy.tools.pictures.timeline_sheet import timeline_sheet

    save(timeline_sheet(timeline, title="Memory over time"), path)


def _replay(
    trace: Trace, variants: list[Variant], timeline: Timeline | None, *, show: bool
) -> list[ReplayResult]:
    """Replay, with a progress bar if stderr is a terminal."""
    run = partial(compare, trace, variants, timeline=timeline)
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
        ("Memory at the peak", result.peak)
        if at is Moment.FULLEST
        else ("Memory at the end", result.end)
    )
    used, total = (in_bytes(n * result.page_size) for n in (stats.used, stats.n_pages))
    return f"{name}: {used} of {total} used, {in_percent(stats.used / stats.n_pages)}"
