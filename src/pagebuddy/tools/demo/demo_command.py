"""The verb `demo`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from pagebuddy.tools.demo.passage import Passage, pass_video
from pagebuddy.tools.terminal.signals import ending_in_order


def demo_command(
    frames: Annotated[
        int,
        typer.Option(
            metavar="N", min=10, help="Number of frames of 1000 x 1000 pixels, 3 MB each."
        ),
    ] = 600,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only the figures, as JSON.")
    ] = False,
) -> None:
    """Send a video between processes, and kill one of them.

    Two processes make frames and two others check every byte: first through
    multiprocessing.Queue, then through an arena's queue, then through an arena's queue while one
    consumer is killed half-way. The memory of the killed consumer is freed.

    \b
      pagebuddy demo
      pagebuddy demo --frames 100 --json

    Exit code: 0 on success; 1 if a byte was wrong, a page leaked, or more than one frame was lost.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(quiet=as_json, highlight=False)
    console.print(
        f"Two producers make {frames} frames of 3 MB each; two consumers check every byte."
    )
    results: list[Passage] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # Otherwise the semaphores of `multiprocessing.Queue` would leak, with a warning.
    with ending_in_order(), Progress(*columns, console=console) as progress:
        for title, options in _PASSAGES:
            task = progress.add_task(f"{title:<24}", total=frames)

            def tell(arrived: int, task: Any = task) -> None:
                progress.update(task, completed=arrived)

            results.append(pass_video(frames, tell=tell, **options))
    if as_json:
        named = {title: one.as_dict() for (title, _), one in zip(_PASSAGES, results, strict=True)}
        typer.echo(json.dumps(named, indent=2))
    else:
        _print(console, results)
    missing = results[-1].frames - results[-1].arrived
    leaked = any(one.pages_left or one.wrong for one in results)
    raise typer.Exit(1 if leaked or missing > 1 else 0)


def _print(console: Any, results: list[Passage]) -> None:
    through_queue, through_arena, killed = results
    console.print(_table(results))
    times = through_arena.frames_a_second / through_queue.frames_a_second
    console.print(f"The arena is {times:.1f} times as fast as multiprocessing.Queue.")
    missing = killed.frames - killed.arrived - killed.wrong
    console.print(
        f"Process {killed.killed} was killed half-way (SIGKILL). {killed.arrived} of "
        f"{killed.frames} frames arrived; {missing} lost with the process, {killed.wrong} with "
        f"wrong bytes; {killed.pages_left} pages leaked."
    )


_PASSAGES: tuple[tuple[str, dict[str, bool]], ...] = (
    ("multiprocessing.Queue", {"in_arena": False}),
    ("through an arena", {"in_arena": True}),
    ("one consumer killed", {"in_arena": True, "kill": True}),
)


def _table(results: list[Passage]) -> Any:
    from rich.table import Table

    table = Table("", "frames", "wrong", "frames/s", "MB/s", "pages leaked", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for (title, _), one in zip(_PASSAGES, results, strict=True):
        table.add_row(
            title,
            str(one.arrived),
            str(one.wrong),
            f"{one.frames_a_second:.0f}",
            f"{one.bytes_a_second / 1e6:.0f}",
            str(one.pages_left),
        )
    return table
