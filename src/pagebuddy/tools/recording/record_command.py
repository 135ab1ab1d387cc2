"""The verb `record`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pagebuddy.memory.sizes import bytes_of
from pagebuddy.tools.recording.child import NotStarted
from pagebuddy.tools.recording.record import BUFFER_SIZE, Recording, record
from pagebuddy.tools.terminal.refusal import plain_refusals, refuse
from pagebuddy.tools.terminal.units import counted, in_bytes


def record_command(
    command: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND", help="The command to run, with its arguments."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the trace to this file; gzipped if its name ends in .gz.",
        ),
    ],
    buffer: Annotated[
        str,
        typer.Option(
            metavar="SIZE",
            help="Size of the kernel's buffer per processor. Enlarge it if events are lost.",
        ),
    ] = in_bytes(BUFFER_SIZE),
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the figures as JSON to stdout, after COMMAND's output."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only errors and lost events.")
    ] = False,
) -> None:
    """Record the kernel's page allocations while a command runs.

    Each page allocation and free of the kernel, for any process, becomes a line of the trace. The
    events come from a tracefs instance of its own, which is removed at the end; other tracing is
    not disturbed. Needs root.

    Record a build, and replay it on the memory of this machine:

    \b
      sudo pagebuddy record -o build.csv.gz -- make -j8
      sudo cat /proc/iomem > iomem.txt
      pagebuddy replay build.csv.gz --memory-map iomem.txt

    Ctrl-C goes to COMMAND; the trace is complete up to its end. Messages go to stderr.

    Exit code: COMMAND's; 126 or 127 if it could not be started; 2 if recording is not possible.
    """
    with plain_refusals():
        try:
            recording = record(output, command, buffer_size=bytes_of(buffer, "buffer"))
        except NotStarted as error:
            refuse(str(error), error.code)
    if as_json:
        typer.echo(json.dumps(recording.as_dict(), indent=2))
    if not as_json and (recording.lost or not quiet):
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in _lost(recording) if quiet else _figures(recording):
            table.add_row(name, Text(text))
        Console(stderr=True, highlight=False).print(table)
    raise typer.Exit(recording.exit_code)


def _figures(recording: Recording) -> Iterator[tuple[str, str]]:
    yield "trace", f"{recording.trace}, {in_bytes(recording.bytes)}"
    kinds = f"{counted(recording.allocs, 'allocation')} and {counted(recording.frees, 'free')}"
    yield "events", f"{recording.events:,} in {recording.seconds:.3g} s: {kinds}"
    yield from _lost(recording)
    if recording.failed:
        yield "failed", f"{counted(recording.failed, 'allocation')} without a page"
    if recording.interrupted:
        yield "interrupted", "the trace is complete up to the end of the command"
    if recording.exit_code:
        yield "exit code", f"{recording.exit_code}, from the command"


def _lost(recording: Recording) -> Iterator[tuple[str, str]]:
    if recording.lost:
        events = counted(recording.lost, "event")
        yield (
            "lost",
            f"{events}, because the kernel's buffers were full; enlarge them with --buffer",
        )
