"""The command in a real terminal of 80 columns: its help, its progress, and Ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

pytestmark = pytest.mark.soak  # each test starts programs

ROOT = Path(__file__).parents[2]
VERBS = [
    *("ls", "stat", "map", "keys", "tail", "check", "reap", "rm", "replay", "record", "demo"),
    "bench",
]


@pytest.mark.parametrize("verb", VERBS)
def test_help_teaches_by_example_and_tells_exit_codes(terminal, verb):
    shown = terminal(verb, "--help")
    assert shown.code == 0
    assert shown.text.startswith(f"Usage: pagebuddy {verb} [OPTIONS]")
    assert f"    pagebuddy {verb}" in shown.text or f"    sudo pagebuddy {verb}" in shown.text
    assert "Exit code: " in shown.text
    assert "..." not in shown.text.split("Options:")[0].replace("]...", "").replace("}...", "")


def test_help_names_every_verb_and_its_use_in_a_line(terminal):
    shown = terminal("--help")
    commands = shown.text.split("Commands:\n")[1].rstrip().splitlines()
    assert [line.split()[0] for line in commands] == VERBS
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)
    assert "Exit code: " in shown.text


def test_replay_shows_progress_and_then_its_report(terminal, small):
    shown = terminal("replay", small[0])
    assert shown.code == 0
    assert "replaying" in shown.written
    assert "100% 6 events" in shown.text
    assert "all invariants hold" in shown.text
    assert "\x1b[" in shown.written


def test_a_trace_without_events(terminal, tmp_path):
    path = tmp_path / "none.csv"
    path.write_text("event,pfn,order\n")
    shown = terminal("replay", path, "--memory", "1 TiB", "--page-size", "2 MiB")
    assert shown.code == 0
    assert "0 bytes of 1 TiB used" in shown.text


@pytest.mark.parametrize(
    ("arguments", "running"),
    [
        (["replay", ROOT / "data" / "kernel-server.csv.gz"], "replaying"),
        (["bench", "--rounds", "1000"], "measuring"),
        (["demo", "--frames", "5000"], "[1-9]/5000"),
    ],
)
def test_ctrl_c_ends_it_quietly(terminal, arguments, running):
    """It reaches all processes of a verb at once, and none of them has anything to say."""
    shown = terminal(*arguments, interrupt_at=running)
    assert shown.code == 130
    assert "Traceback" not in shown.written
    assert "Process " not in shown.written


@pytest.mark.parametrize(
    "by", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.soak)]
)
@pytest.mark.parametrize(
    ("arguments", "running"),
    [
        (["bench", "--rounds", "1000"], "measuring"),
        (["demo", "--frames", "5000"], "[1-9]/5000"),
    ],
)
def test_a_signal_to_it_alone_ends_it_quietly(terminal, arguments, running, by):
    """Its other processes see that it was removed, and nothing of theirs is left to be told of."""
    shown = terminal(*arguments, interrupt_at=running, by=by)
    ends_at_once = arguments[0] == "bench" and by != signal.SIGINT
    assert shown.code == (-by if ends_at_once else 128 + by)
    for complaint in ("Traceback", "Process ", "Error", "leaked", "Warning"):
        assert complaint not in shown.written
