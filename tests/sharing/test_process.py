"""What a process tells of itself, whatever it is called."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pagebuddy.sharing.system.process import describe, name_in, start_time
from pagebuddy.sharing.words import SLOT_WORDS

COMM = Path("/proc/self/comm")


@pytest.fixture
def called():
    """Has the system call this process something else for a while."""
    if not COMM.exists():
        pytest.skip("nothing tells what a process is called")
    before = COMM.read_bytes().rstrip(b"\n")
    yield COMM.write_bytes
    COMM.write_bytes(before)


# The system cuts a name after 15 bytes, in the middle of a letter if need be.
@pytest.mark.parametrize("name", [b"\xff", "äöüäöüäö".encode(), b"a) R 1 2", b"\x1b[31m"])
def test_when_it_started_is_told_whatever_it_is_called(called, name):
    before = start_time()
    called(name)
    assert start_time() == before > 0


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("dir/work.py", "work.py"),
        ("\x1b[31mred\n\x9b", "\ufffd[31mred\ufffd\ufffd"),
        ("äöü", "äöü"),
        ("\udcff", "?"),
    ],
)
def test_no_name_commands_the_terminal_that_it_is_shown_in(monkeypatch, script, told):
    monkeypatch.setattr(sys, "argv", [script])
    slot = memoryview(bytearray(8 * SLOT_WORDS)).cast("Q")
    describe(slot)
    assert name_in(slot) == told
