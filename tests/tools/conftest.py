"""The command as people run it, piped and in a terminal; and what must hold of every picture."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

import pagebuddy
from pagebuddy.tools.pictures.drawing import MONO_WIDTH, Drawing, Words

PACKAGES = Path(pagebuddy.__file__).parents[1]
COLUMNS, LINES = 80, 40
SECONDS = 120
# These verbs start Python processes, which import the main module.
STARTS_OTHERS = [("bench",), ("demo",)]

# What a terminal is told: to go up, to clear a line; other things, such as colours; letters.
WRITTEN = re.compile(
    r"\x1b\[(?P<up>\d+)A|(?P<clear>\x1b\[2K)|\x1b(?:\[[0-9;?]*[a-zA-Z]|\][^\x07]*\x07|[=>78])"
    r"|(?P<end>[\r\n])|(?P<text>[^\x1b\r\n]+)"
)


class Shown(NamedTuple):
    """What a command did in a terminal: its exit code, and all that it wrote, as it was written."""

    code: int
    written: str

    @property
    def text(self) -> str:
        """What is there to read in the end. What is too wide is not broken, as a terminal would."""
        lines, row, column = [""], 0, 0
        for part in WRITTEN.finditer(self.written):
            if part["up"]:
                row = max(row - int(part["up"]), 0)
            elif part["clear"]:
                lines[row] = ""
            elif part["end"] == "\n":
                row += 1
                lines += [""] * (row == len(lines))
            elif part["end"]:
                column = 0
            elif text := part["text"]:
                end = column + len(text)
                lines[row] = lines[row][:column].ljust(column) + text + lines[row][end:]
                column = end
        return "\n".join(line.rstrip() for line in lines)


@pytest.fixture(scope="session")
def surroundings() -> dict[str, str]:
    """The environment of a new user whose terminal has 80 columns, also for what is piped."""
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return inherited | {"PYTHONPATH": str(PACKAGES), "COLUMNS": str(COLUMNS), "PYTHONUTF8": "1"}


@pytest.fixture(scope="session")
def command_server(surroundings) -> Iterator[subprocess.Popen[str]]:
    """A process that has imported the command; see `command_server.py`."""
    program = Path(__file__).with_name("command_server.py")
    with subprocess.Popen(
        [sys.executable, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=surroundings,
        encoding="utf-8",
    ) as server:
        yield server
        server.stdin.close()


@pytest.fixture(scope="session")
def pagebuddy_command(
    surroundings, command_server, tmp_path_factory
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command, piped: its exit code, what it printed, what it complained of.

    Whatever is printed for people has lines of at most 80 columns, and no colour.
    """
    printed = [tmp_path_factory.mktemp("printed") / name for name in ("stdout", "stderr")]

    def run_forked(arguments, folder):
        for path in printed:
            path.write_bytes(b"")
        request = {
            "arguments": list(arguments),
            "folder": str(folder or Path.cwd()),
            "stdout": str(printed[0]),
            "stderr": str(printed[1]),
        }
        print(json.dumps(request), file=command_server.stdin, flush=True)
        code = int(command_server.stdout.readline())
        return (code, *(path.read_text(encoding="utf-8") for path in printed))

    def run_started(arguments, folder, python, before, more):
        done = subprocess.run(
            [sys.executable, *python, "-m", "pagebuddy", *arguments],
            capture_output=True,
            cwd=folder,
            preexec_fn=before,
            env=surroundings | more,
            encoding="utf-8",
            timeout=SECONDS,
        )
        return done.returncode, done.stdout, done.stderr

    def run(*arguments, python=(), folder=None, before=None, **more):
        arguments = tuple(map(str, arguments))
        if python or before or more or arguments[:1] in STARTS_OTHERS:
            code, text, complaint = run_started(arguments, folder, python, before, more)
        else:
            code, text, complaint = run_forked(arguments, folder)
        assert "\x1b" not in text + complaint
        if "--json" not in arguments:
            assert max(map(len, text.splitlines()), default=0) <= COLUMNS
        return code, text, complaint

    return run


@pytest.fixture(scope="session")
def refused(pagebuddy_command) -> Callable[..., str]:
    """Runs what must be refused: its one line of complaint."""

    def run(*arguments, code=2, **more):
        found, printed, complaint = pagebuddy_command(*arguments, **more)
        assert (found, printed) == (code, "")
        assert complaint.startswith("pagebuddy: ")
        assert complaint.endswith("\n")
        assert complaint.count("\n") == 1
        return complaint.removeprefix("pagebuddy: ").rstrip()

    return run


@pytest.fixture
def new_terminal() -> Callable[[], tuple[int, int]]:
    """Opens a terminal: both its ends. A chroot without /dev/pts has none."""

    def opened():
        try:
            return pty.openpty()
        except OSError as error:
            pytest.skip(f"no terminal can be opened here: {error}")

    return opened


@pytest.fixture
def terminal(surroundings, new_terminal) -> Callable[..., Shown]:
    """Runs the command in a terminal of its own, of 80 columns: what it showed there.

    Its size is asked of the terminal: there is nothing about it in the environment. No line that is
    shown is wider. When something was written that matches `interrupt_at`, Ctrl-C is typed, or the
    signal `by` is sent, to the command alone.
    """

    def take_over():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def run(*arguments, columns=COLUMNS, interrupt_at=None, by=None):
        ours, theirs = new_terminal()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
        environment = {name: surroundings[name] for name in surroundings if name != "COLUMNS"}
        process = subprocess.Popen(
            [sys.executable, "-m", "pagebuddy", *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment | {"TERM": "xterm-256color"},
            start_new_session=True,
            preexec_fn=take_over,
        )
        os.close(theirs)
        written = b""
        # The terminal is closed when the last process that has it ends.
        with suppress(OSError):
            while block := os.read(ours, 1 << 16):
                written += block
                if interrupt_at is not None and re.search(interrupt_at.encode(), written):
                    if by is None:
                        os.write(ours, b"\x03")
                    else:
                        process.send_signal(by)
                    interrupt_at = None
        os.close(ours)
        shown = Shown(process.wait(timeout=SECONDS), written.decode())
        assert max(map(len, shown.text.splitlines()), default=0) <= columns, shown.text
        return shown

    return run


@pytest.fixture
def small(tmp_path):
    """A trace and a memory map of 1 MiB, of which half is used at the peak."""
    trace, iomem = tmp_path / "small.csv", tmp_path / "iomem"
    rows = ["alloc,7,6", "alloc,99,6", "free,7,6", "alloc,5,0", "alloc,6,9", "free,1,0"]
    trace.write_text("event,pfn,order\n" + "\n".join(rows) + "\n")
    iomem.write_text("00000000-000fffff : System RAM\n")
    return trace, iomem


@pytest.fixture(scope="session")
def check_sheet() -> Callable[[Drawing], None]:
    """Checks that all of a drawing is on its sheet, and that no words lie on others."""

    def check(drawing: Drawing) -> None:
        assert 0 < drawing.height < 2000
        for box in drawing.boxes:
            assert box.width > 0, box
            assert box.height > 0, box
            assert box.left >= 0, box
            assert box.left + box.width <= drawing.width + 0.01, box
            assert box.top >= 0, box
            assert box.top + box.height <= drawing.height, box
        for words in drawing.words:
            start, end = extent(words)
            assert start >= 0, words
            assert end <= drawing.width + 1, words
            assert words.size / 2 <= words.y <= drawing.height - words.size / 2, words
        for i, words in enumerate(drawing.words):
            start, end = extent(words)
            for other in drawing.words[:i]:
                other_start, other_end = extent(other)
                apart = abs(words.y - other.y) >= 0.9 * min(words.size, other.size)
                assert apart or start >= other_end or end <= other_start, (words, other)

    return check


def extent(words: Words) -> tuple[float, float]:
    """Where a line of text starts and ends, more or less."""
    wide = len(words.text) * words.size * (MONO_WIDTH if words.mono else 0.53)
    start = {"start": words.x, "middle": words.x - wide / 2, "end": words.x - wide}[words.anchor]
    return start, start + wide
