"""What a process reports about itself, whatever its name is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pagebuddy.sharing.system.process import describe, name_in, start_time
from pagebuddy.sharing.words import SLOT_WORDS

COMM = Path("/proc/self/comm")


@pytest.fixture
def called():
    """Give this process another name for a while."""
    if not COMM.exists():
        pytest.skip("nothing tells what a process is called")
    before = COMM.read_bytes().rstrip(b"\n")
    yield COMM.write_bytes
    COMM.write_bytes(before)


# The system cuts a name after 15 bytes, possibly inside a character.
@pytest.mark.parametrize("name", [b"\xff", "äöüäöüäö".encode(), b"a) R 1 2", b"\x1b[31m"])
def test_the_start_time_is_read_whatever_the_process_is_called(called, name):
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
def test_names_contain_no_terminal_control_characters(monkeypatch, script, told):
    monkeypatch.setattr(sys, "argv", [script])
    slot = memoryview(bytearray(8 * SLOT_WORDS)).cast("Q")
    describe(slot)
    assert name_in(slot) == told
