"""A command run beside us: its exit code, and who gets which signal."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from pagebuddy.tools.recording.child import Child, NotStarted

SECONDS = 60


def python(script):
    return [sys.executable, "-S", "-c", script]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.kill(os.getpid(), 15)", 143),
    ],
)
def test_exit_codes(script, code):
    with Child(python(script)) as child:
        child.start()
        assert child.ended(SECONDS)
    assert (child.exit_code, child.interrupted) == (code, False)


def test_not_yet(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with Child(["cat", str(tmp_path / "pipe")]) as child:
        child.start()
        assert not child.ended(0)
        os.close(os.open(tmp_path / "pipe", os.O_WRONLY))
        assert child.ended(SECONDS)


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [("none-of-that-name", 127, "No such file"), ("/", 126, "Permission denied")],
)
def test_a_command_that_cannot_be_started(name, code, told):
    with pytest.raises(NotStarted, match=told) as caught, Child([name]) as child:
        child.start()
    assert caught.value.code == code
    assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_are_passed_on(number):
    with Child(["sleep", "1000"]) as child:
        child.start()
        os.kill(os.getpid(), number)
        assert child.ended(SECONDS)
    assert (child.exit_code, child.interrupted) == (128 + number, True)


def test_a_signal_before_the_start_prevents_it():
    with Child(["sleep", "1000"]) as child:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(NotStarted, match="interrupted before it started") as caught:
            child.start()
    assert caught.value.code == 143


def test_handlers_are_as_they_were():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = [signal.getsignal(number) for number in numbers]
    with Child(["true"]) as child:
        assert [signal.getsignal(number) for number in numbers] != before
        child.start()
    assert [signal.getsignal(number) for number in numbers] == before


def test_what_was_ignored_is_ignored_by_the_command_too():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    script = "import signal, sys; sys.exit(signal.getsignal(signal.SIGHUP) != signal.SIG_IGN)"
    try:
        with Child(python(script)) as child:
            child.start()
        assert child.exit_code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_leaving_waits_for_the_command():
    child = Child(python("raise SystemExit(4)"))

    def fail():
        with child:
            child.start()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert child.exit_code == 4


def test_asking_before_the_start():
    with Child(["true"]) as child, pytest.raises(RuntimeError, match="call start"):
        child.ended(0)
