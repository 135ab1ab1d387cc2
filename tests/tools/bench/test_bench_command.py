"""The verb `bench`, for real, with few samples: what it prints, never how fast it was."""

from __future__ import annotations

import json
import sys

import pytest

from pagebuddy import COMPILED
from pagebuddy.tools.bench.core_rows import rows_for
from pagebuddy.tools.bench.subject import chosen

pytestmark = pytest.mark.soak  # each test starts programs

LINUX = sys.platform == "linux"
SECTIONS = [
    "The engine in a native loop",
    "Allocating and freeing 64 KiB, untouched",
    *["Sending 16 MiB to another process, with an answer"] * LINUX,
]


def test_in_a_terminal_it_shows_tables_and_its_progress(terminal):
    shown = terminal("bench", "--rounds", "2")
    assert shown.code == 0
    for told in (*SECTIONS, "arena.alloc", "np.empty", "SharedMemory over arena.alloc"):
        assert told in shown.text
    assert "measuring: 1 of 2 rounds" in shown.written
    assert "the engine is " + ("compiled" if COMPILED else "not compiled") in shown.text


def test_piped_it_prints_tables_only(pagebuddy_command):
    code, text, complaint = pagebuddy_command("bench", "--rounds", "1")
    assert (code, complaint) == (0, "")
    lines = text.splitlines()
    assert [line.rstrip() for line in lines if line.rstrip() in SECTIONS] == SECTIONS
    rows = [line.split("  ")[0] for line in lines]
    assert {"alloc or free of a page", "arena.alloc", "np.empty", "SharedMemory"} <= set(rows)


def test_json_has_every_figure_with_its_range(pagebuddy_command):
    code, text, complaint = pagebuddy_command("bench", "--rounds", "3", "--json")
    assert (code, complaint) == (0, "")
    told = json.loads(text)
    assert (told["rounds"], told["compiled"]) == (3, COMPILED)
    assert {"cpu", "cores", "load", "python", "system", "when", "pagebuddy"} <= told.keys()
    rows = [row for row in rows_for(chosen(compiled=COMPILED)) if row.section in SECTIONS]
    assert [row["title"] for row in told["figures"]] == [row.title for row in rows]
    for row in told["figures"]:
        assert 0 < row["min"] <= row["median"] <= row["max"], row
        assert row["unit"] in ("ns", "ns/page", "µs", "ms", "times")


def test_no_rounds_are_refused(pagebuddy_command):
    code, printed, complaint = pagebuddy_command("bench", "--rounds", "0")
    assert (code, printed) == (2, "")
    assert "--rounds" in complaint
