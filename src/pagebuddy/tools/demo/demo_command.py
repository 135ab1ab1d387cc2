"""The verb `demo`: a video between processes, by an arena and by a pipe; and one of them killed."""

from __future__ import annotations

from typing import Any

import typer

from pagebuddy.tools.demo.passage import Passage, pass_video


def demo_command(
    frames: int = typer.Option(600, min=10, help="How many frames of 1000 x 1000 pixels."),
) -> None:
    """Pass a video between processes, beside multiprocessing.Queue, and kill one of them."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console()
    console.print(
        f"Two producers make {frames} frames of a million pixels; two consumers check every byte."
    )
    results: list[Passage] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        for title, options in _PASSAGES:
            task = progress.add_task(f"{title:<24}", total=frames)

            def tell(arrived: int, task: Any = task) -> None:
                progress.update(task, completed=arrived)

            results.append(pass_video(frames, tell=tell, **options))
    through_queue, through_arena, killed = results
    console.print(_table(results))
    times = through_arena.frames_a_second / through_queue.frames_a_second
    console.print(f"Through the arena it is {times:.1f} times as fast.")
    missing = killed.frames - killed.arrived - killed.wrong
    console.print(
        f"Process {killed.killed} was killed half-way (SIGKILL). {killed.arrived} of {killed.frames} "
        "frames "
        f"arrived, {missing} was in its hand; {killed.wrong} bytes were wrong, "
        f"{killed.pages_left} pages leaked."
    )
    sound = not killed.wrong and missing <= 1 and not any(one.pages_left for one in results)
    raise typer.Exit(0 if sound else 1)


_PASSAGES: tuple[tuple[str, dict[str, bool]], ...] = (
    ("multiprocessing.Queue", {"in_arena": False}),
    ("through an arena", {"in_arena": True}),
    ("one consumer killed", {"in_arena": True, "kill": True}),
)


def _table(results: list[Passage]) -> Any:
    from rich.table import Table

    table = Table("", "frames", "wrong", "frames/s", "MB/s", "pages left", box=None)
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
