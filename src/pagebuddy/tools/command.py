"""The command `pagebuddy` with all its verbs; reports a missing extra `cli`."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from pagebuddy.tools.terminal.refusal import WRONG_INPUT, WRONG_INSIDE, MissingExtra, refuse

if TYPE_CHECKING:
    import typer


ABOUT = """\
Inspect and repair the arenas of this machine; record and replay allocations.

\b
  pagebuddy demo                 send a video between processes
  pagebuddy ls                   list the arenas of this machine
  pagebuddy stat NAME --watch    watch one of them
  pagebuddy replay trace.csv     replay a trace from arena.record()

Exit code: 0 on success; 1 if an arena or the input is damaged; 2 if an argument is wrong.
"""


def main() -> None:
    """Run the command with the arguments of this process. Exits."""
    try:
        import numpy  # noqa: F401
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError:
        refuse(str(MissingExtra("cli")), WRONG_INSIDE)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Print "?" for a character that the encoding lacks, instead of failing.
            stream.reconfigure(errors="replace")
    code: str | int | None = None
    try:
        try:
            build()(prog_name="pagebuddy")
        except SystemExit as end:
            code = end.code
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # Verbs handle errors of the files they use; this error concerns stdout. Redirect it, because
        # the interpreter flushes stdout at exit and would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not code:
            refuse(f"cannot print: {error.strerror or error}", WRONG_INPUT)
    sys.exit(code)


def build() -> typer.Typer:
    """The command with all its verbs."""
    import typer

    from pagebuddy.tools.arenas.check_command import check_command
    from pagebuddy.tools.arenas.ls_command import ls_command
    from pagebuddy.tools.arenas.map_command import map_command
    from pagebuddy.tools.arenas.reap_command import reap_command
    from pagebuddy.tools.arenas.rm_command import rm_command
    from pagebuddy.tools.arenas.stat_command import stat_command
    from pagebuddy.tools.bench.bench_command import bench_command
    from pagebuddy.tools.demo.demo_command import demo_command
    from pagebuddy.tools.recording.record_command import record_command
    from pagebuddy.tools.replaying.replay_command import replay_command

    app = typer.Typer(
        help=ABOUT,
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command("ls")(ls_command)
    app.command("stat")(stat_command)
    app.command("map")(map_command)
    app.command("check")(check_command)
    app.command("reap")(reap_command)
    app.command("rm")(rm_command)
    app.command("replay")(replay_command)
    # The first word that is not an option starts the command to run; later options belong to it.
    app.command("record", context_settings={"allow_interspersed_args": False})(record_command)
    app.command("demo")(demo_command)
    app.command("bench")(bench_command)

    def tell_version(wanted: bool) -> None:
        if wanted:
            from pagebuddy import COMPILED, __version__

            engine = "compiled" if COMPILED else "not compiled"
            typer.echo(f"pagebuddy {__version__}, the engine is {engine}")
            raise typer.Exit

    @app.callback()
    def options(
        version: bool = typer.Option(
            False, "--version", callback=tell_version, is_eager=True, help="Print the version."
        ),
    ) -> None:
        pass

    return app
