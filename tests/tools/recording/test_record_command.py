"""The verb `record` as people run it: of a real kernel where this machine lets us, as root.

What is refused before the kernel is asked is tested everywhere.
"""

from __future__ import annotations

import gzip
import json
import os
import pty
import resource
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import pagebuddy
from pagebuddy.tools.traces.trace import Trace

PACKAGES = Path(pagebuddy.__file__).parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PACKAGES), "COLUMNS": "80", "PYTHONUTF8": "1"}
RECORD = [sys.executable, "-m", "pagebuddy", "record"]
SECONDS = 120

TOUCH = """
import mmap
memory = mmap.mmap(-1, 4096 * 5000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
for at in range(0, len(memory), 4096):
    memory[at] = 1
"""

# Says when it runs, and then waits to be ended.
WAIT = "echo running; exec sleep 1000"


def record(*arguments, **more):
    """Run it; its exit code, what it printed, and what it told."""
    done = subprocess.run(
        [*RECORD, *map(str, arguments)],
        capture_output=True,
        env=ENVIRONMENT,
        encoding="utf-8",
        timeout=SECONDS,
        **more,
    )
    return done.returncode, done.stdout, done.stderr


def start(*arguments, **more):
    return subprocess.Popen(
        [*RECORD, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        encoding="utf-8",
        **more,
    )


def told(text):
    """What it told, by name; a long line goes on in the next."""
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines), default=0) <= 80
    figures, name = {}, ""
    for line in lines:
        if not line.startswith(" "):
            name, line = line.split("  ", 1)
            figures[name] = line.strip()
        else:
            figures[name] += " " + line.strip()
    return figures


def events_of(path):
    trace = Trace(path)
    n_allocs = sum(int(events.is_alloc.sum()) for events in trace)
    return n_allocs, trace.n_events - n_allocs


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_recording_has_the_events_that_the_report_counts(tracing, tmp_path, name):
    path = tmp_path / name
    code, text, report = record("-o", path, "--", sys.executable, "-S", "-c", TOUCH + "print(7)")
    assert (code, text) == (0, "7\n")
    n_allocs, n_frees = events_of(path)
    assert min(n_allocs, n_frees) > 5000
    figures = told(report)
    # A path may be too long for a line.
    assert figures.pop("trace").replace(" ", "").startswith(str(path))
    events = figures.pop("events")
    assert events.startswith(f"{n_allocs + n_frees:,} in ")
    assert events.endswith(f" s: {n_allocs:,} allocations and {n_frees:,} frees")
    assert figures == {}
    assert os.listdir(tmp_path) == [name]


def test_replay_reads_it(tracing, tmp_path):
    """A kernel gives out no page twice, and neither does what was recorded of it."""
    path = tmp_path / "t.csv.gz"
    assert record("-q", "-o", path, "--", sys.executable, "-S", "-c", TOUCH) == (0, "", "")
    done = subprocess.run(
        [sys.executable, "-m", "pagebuddy", "replay", path, "--json"],
        capture_output=True,
        env=ENVIRONMENT,
        timeout=SECONDS,
        check=True,
    )
    figures = json.loads(done.stdout)
    assert figures["allocs"] > 5000
    assert (figures["skipped_allocs"], figures["overlaps"], figures["lost"]) == (0, 0, 0)


def test_json_has_the_counts_and_the_exit_code(tracing, tmp_path):
    path = tmp_path / "t.csv"
    code, text, report = record("-o", path, "--json", "sh", "-c", "exit 5")
    assert (code, report) == (5, "")
    figures = json.loads(text)
    assert (figures["allocs"], figures["frees"]) == events_of(path)
    assert figures["events"] == sum(events_of(path)) > 0
    assert figures["bytes"] == path.stat().st_size
    assert (figures["exit_code"], figures["lost"], figures["interrupted"]) == (5, 0, False)


def test_the_commands_own_options_need_no_dashes(tracing, tmp_path):
    code, text, _ = record("-o", tmp_path / "t.csv", "echo", "-o", "--json", "--")
    assert (code, text) == (0, "-o --json --\n")


def test_lost_events_are_told_and_noted(tracing, tmp_path):
    path = tmp_path / "t.csv.gz"
    code, _, report = record("-q", "--buffer", "1", "-o", path, sys.executable, "-S", "-c", TOUCH)
    assert code == 0
    lost, _, advice = told(report)["lost"].partition(" events, because ")
    assert advice == "the kernel's buffers were full; enlarge them with --buffer"
    trace = Trace(path)
    assert len(list(trace)) > 0
    assert trace.lost == int(lost.replace(",", "")) > 0


@pytest.mark.parametrize(
    ("script", "expected"), [("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)
def test_the_exit_code_of_the_command_is_passed_on(tracing, tmp_path, script, expected):
    code, _, report = record("-o", tmp_path / "t.csv", "--", "sh", "-c", script)
    assert code == expected
    assert told(report)["exit code"] == f"{expected}, from the command"
    assert sum(events_of(tmp_path / "t.csv")) > 0


@pytest.mark.parametrize(("name", "expected"), [("none-of-that-name", 127), ("/", 126)])
def test_a_command_that_cannot_be_started_changes_nothing(tracing, tmp_path, name, expected):
    path = tmp_path / "t.csv"
    path.write_text("what was there")
    code, text, complaint = record("-o", path, "--", name, "-x")
    assert (code, text) == (expected, "")
    assert complaint.startswith(f"pagebuddy: {name}: ")
    assert complaint.count("\n") == 1
    assert path.read_text() == "what was there"
    assert os.listdir(tmp_path) == ["t.csv"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_recording_is_complete(tracing, tmp_path, number):
    """Told to the recorder alone, it goes to the command; the trace is whole."""
    path = tmp_path / "t.csv.gz"
    process = start("-o", path, "--", "sh", "-c", WAIT, start_new_session=True)
    assert process.stdout.readline() == "running\n"
    process.send_signal(number)
    _, report = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + number
    assert told(report)["interrupted"] == "the trace is complete up to the end of the command"
    assert sum(events_of(path)) > 0
    assert os.listdir(tmp_path) == [path.name]


def interrupt_at_a_terminal(path, script, after):
    """Press Ctrl-C while a script is recorded, then do something; the exit code, and what was shown."""
    script = "import os, signal\nfrom signal import SIGINT, SIGTERM\n" + script
    arguments = [*RECORD, "-o", str(path), "--", sys.executable, "-S", "-c", script]
    try:
        pid, terminal = pty.fork()
    except OSError as error:
        pytest.skip(f"no terminal can be opened here: {error}")
    if pid == 0:
        os.execve(arguments[0], arguments, ENVIRONMENT)
    shown = b""
    # The terminal was removed, which is an error, when its last process is.
    with suppress(OSError):
        while select.select([terminal], [], [], SECONDS)[0]:
            before, shown = shown, shown + os.read(terminal, 1 << 16)
            if b"running" in shown and b"running" not in before:
                os.write(terminal, b"\x03")
            # The signal was sent by the time that the key is shown.
            if b"^C" in shown and b"^C" not in before:
                after(pid)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown


def test_ctrl_c_goes_to_the_command_which_decides(tracing, tmp_path):
    script = (
        "signal.pthread_sigmask(signal.SIG_BLOCK, [SIGINT])\n"
        "print('running', flush=True)\n"
        "signal.sigwait([SIGINT])\n"
        "print('goes on')"
    )
    path = tmp_path / "t.csv"
    code, shown = interrupt_at_a_terminal(path, script, after=lambda pid: None)
    assert code == 0
    assert b"goes on" in shown
    assert b"interrupted" in shown
    assert sum(events_of(path)) > 0


def test_ctrl_c_is_not_passed_on_a_second_time(tracing, tmp_path):
    """The command does not get it from the terminal here, so that a passed-on one would be seen."""
    script = (
        "os.setpgid(0, 0)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [SIGINT, SIGTERM])\n"
        "print('running', flush=True)\n"
        "signal.sigwait([SIGTERM])\n"
        "print('pending', *signal.sigpending(), '.')"
    )
    path = tmp_path / "t.csv"
    code, shown = interrupt_at_a_terminal(path, script, lambda pid: os.kill(pid, signal.SIGTERM))
    assert code == 0
    assert b"pending ." in shown


def test_killed(tracing, tmp_path):
    """Nothing can be done then; the next recording clears up in tracefs."""
    path = tmp_path / "t.csv"
    process = start("-o", path, "--", "sh", "-c", WAIT, start_new_session=True)
    assert process.stdout.readline() == "running\n"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=SECONDS)
    left = [f.name for f in (tracing / "instances").iterdir() if f"-{process.pid}-" in f.name]
    assert len(left) == 1
    assert not path.exists()
    assert record("-q", "-o", path, "true") == (0, "", "")
    assert not (tracing / "instances" / left[0]).exists()


def test_a_full_disk(tracing, tmp_path):
    """The command is not stopped for it. A limit to the size of files stands for the disk."""
    path = tmp_path / "t.csv"
    path.write_text("what was there")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, resource.RLIM_INFINITY))

    code, text, complaint = record(
        "-o", path, sys.executable, "-S", "-c", TOUCH + "print(7)", preexec_fn=limit
    )
    assert (code, text) == (2, "7\n")
    assert "File too large" in complaint
    assert path.read_text() == "what was there"
    assert os.listdir(tmp_path) == ["t.csv"]


def test_buffers_that_the_kernel_has_no_room_for(tracing, tmp_path):
    code, _, complaint = record("-o", tmp_path / "t.csv", "--buffer", "1 PiB", "true")
    assert code == 2
    assert "cannot allocate buffers of " in complaint
    assert os.listdir(tmp_path) == []


def test_who_is_not_root(tracing):
    # Loaded first, as what is root's may not be readable afterwards.
    script = (
        "import os; from pagebuddy.tools.recording.record import record; "
        "from pagebuddy.tools.terminal.refusal import plain_refusals; "
        "os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)\n"
        "with plain_refusals(): record('t.csv', ['true'])"
    )
    # Not below pytest's own folder, which is root's alone.
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            cwd=folder,
            env=ENVIRONMENT,
            encoding="utf-8",
            timeout=SECONDS,
        )
        assert os.listdir(folder) == []
    assert done.returncode == 2
    assert done.stderr.startswith("pagebuddy: only root may record the kernel's pages (")
    assert done.stderr.endswith("run the command with sudo\n")


def test_what_is_refused_first(tmp_path):
    for arguments, complaint in (
        (("-o", tmp_path, "true"), "it exists and is not a regular file"),
        (("-o", "/dev/null", "true"), "it exists and is not a regular file"),
        (("-o", tmp_path / "none" / "t.csv", "true"), "does not exist"),
        (("-o", tmp_path / "t.csv", "--buffer", "much", "true"), "buffer is 'much'"),
        (("-o", tmp_path / "t.csv", "--buffer", "0", "true"), "buffer is 0"),
        (("-o", tmp_path / "t.csv"), "missing argument 'COMMAND"),
        (("true",), "missing option '--output'"),
    ):
        code, text, told = record(*arguments)
        assert (code, text) == (2, "")
        assert complaint in told
    assert os.listdir(tmp_path) == []


def test_help():
    code, text, _ = record("--help")
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    assert "sudo pagebuddy record -o build.csv.gz -- make -j8\n" in text


def test_a_whole_gzip_file(tracing, tmp_path):
    path = tmp_path / "t.csv.gz"
    assert record("-q", "-o", path, "true")[0] == 0
    assert gzip.decompress(path.read_bytes()).startswith(b"event,pfn,order\n")
