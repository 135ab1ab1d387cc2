"""The command `pagebuddy` with all its verbs; reports a missing extra `cli`."""

from __future__ import annotations

import os
import select
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from pagebuddy.tools.terminal.refusal import (
    NOT_NOW,
    WRONG_INPUT,
    MissingExtra,
    plain,
    refuse,
)

if TYPE_CHECKING:
    import typer


ABOUT = """\
Inspect and repair the arenas of this machine; record and replay allocations.

\b
  pagebuddy demo                 send a video between processes
  pagebuddy ls                   list the arenas of this machine
  pagebuddy stat NAME --watch    watch one of them
  pagebuddy replay trace.csv     replay a trace from arena.record()

Exit code: 0 on success; 1 if an arena or the input is damaged, or nothing was found; 2 if an
argument is wrong; 3 if there is no room, no time or no package for it now.
"""


def main() -> None:
    """Run the command with the arguments of this process. Exits."""
    try:
        import numpy  # noqa: F401
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError:
        refuse(str(MissingExtra("cli")), NOT_NOW)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Print "?" for a character that the encoding lacks, instead of failing.
            stream.reconfigure(errors="replace")
    code: str | int | None = None
    try:
        try:
            code = _run()
        except SystemExit as end:
            code = end.code
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # Verbs handle errors of the files they use; this error concerns stdout.
        _print_no_more()
        if not code and not isinstance(error, BrokenPipeError):
            refuse(f"cannot print: {error.strerror or error}", WRONG_INPUT)
    sys.exit(code)


def _run() -> int | None:
    """Run the command; return the exit code. Errors of arguments read like those of the verbs."""
    import typer

    try:
        code: int | None = build()(prog_name="pagebuddy", standalone_mode=False)
    except typer.Abort:
        return WRONG_INPUT
    except Exception as error:
        # Click's exceptions, which newer versions of typer have under another name.
        context = getattr(error, "ctx", None)
        if not hasattr(error, "format_message") or not hasattr(error, "show"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            verb = context.command_path if context is not None else "pagebuddy"
            refuse(f"{plain(error.format_message())}; see: {verb} --help", WRONG_INPUT)
        return WRONG_INPUT
    return code


def _reader_is_gone() -> bool:
    """Whether stdout is a pipe or a socket whose other end was closed."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (OSError, ValueError, AttributeError):
        return False


def _print_no_more() -> None:
    """Redirect stdout: the interpreter flushes it at exit, and would fail again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def build() -> typer.Typer:
    """The command with all its verbs."""
    import typer
    from typer.core import TyperGroup

    from pagebuddy.tools.arenas.check_command import check_command
    from pagebuddy.tools.arenas.keys_command import keys_command
    from pagebuddy.tools.arenas.ls_command import ls_command
    from pagebuddy.tools.arenas.map_command import map_command
    from pagebuddy.tools.arenas.reap_command import reap_command
    from pagebuddy.tools.arenas.rm_command import rm_command
    from pagebuddy.tools.arenas.stat_command import stat_command
    from pagebuddy.tools.arenas.tail_command import tail_command
    from pagebuddy.tools.bench.bench_command import bench_command
    from pagebuddy.tools.demo.demo_command import demo_command
    from pagebuddy.tools.recording.record_command import record_command
    from pagebuddy.tools.replaying.replay_command import replay_command

    class Verbs(TyperGroup):
        """The verbs. If the reader of the output ended, such as `head`, all is done."""

        def invoke(self, ctx: Any) -> Any:
            try:
                return super().invoke(ctx)
            except BrokenPipeError:
                # Others may break as well: those between the processes of `demo`.
                if not _reader_is_gone():
                    raise
                _print_no_more()
                raise typer.Exit(0) from None
            except SystemExit as end:
                # So rich ends the process, after it has redirected stdout.
                if isinstance(end.__context__, BrokenPipeError):
                    raise typer.Exit(0) from None
                raise

    app = typer.Typer(
        cls=Verbs,
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
    app.command("keys")(keys_command)
    app.command("tail")(tail_command)
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
