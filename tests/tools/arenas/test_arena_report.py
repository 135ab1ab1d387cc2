"""What `stat --watch` shows in terminals of any height: all that fits, and how much is left out."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from pagebuddy import OutOfPages
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.tools.arenas.arena_report import ArenaReport, Watched


@pytest.fixture
def report(arena, name, die):
    """Of an arena with a dead process and one alive, and free blocks of most orders."""
    die(5000)
    held = [arena.alloc(4096 << order) for order in (0, 1, 2, 3, 5, 6)]
    with Snapshot(f"/dev/shm/{name}") as snapshot:
        yield ArenaReport(snapshot)
    del held


def shown(renderable, *, width=80, height=25):
    file = io.StringIO()
    Console(file=file, width=width, height=height).print(renderable)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 50])
def test_where_all_fits_all_is_shown(report, width):
    whole = shown(report, width=width)
    for height in (len(whole), 1000):
        assert shown(Watched(report), width=width, height=height) == whole


@pytest.mark.parametrize("width", [80, 50])
def test_where_it_does_not_it_is_told_how_much_is_left_out(report, width):
    n_lines = len(shown(report, width=width))
    blocks = report.stats.free_blocks
    for height in range(n_lines - 1, 13, -1):
        lines = shown(Watched(report), width=width, height=height)
        assert len(lines) <= height
        told = [re.match(r" +(\d+) +\d+ [KM]iB +(\d+) ", line) for line in lines]
        orders = [int(found[1]) for found in told if found]
        filled = [order for order, count in enumerate(blocks) if count]
        # The highest, all of them with a block.
        assert orders == filled[len(filled) - len(orders) :]
        assert any(line.endswith("smaller blocks") for line in lines) == (orders != filled)
        left_out = [int(found[1]) for line in lines if (found := re.match(r"and (\d+) more", line))]
        processes = [
            line for line in lines if re.search(r", (alive|dead), |  (alive|dead)  ", line)
        ]
        assert len(processes) + sum(left_out) == len(report.processes) == 2


def test_however_low_it_ends(report):
    for height in range(1, 14):
        assert shown(Watched(report), height=height)


def test_what_happened_since_the_arena_was_created_is_told(arena, name, die):
    with Snapshot(f"/dev/shm/{name}") as snapshot:
        assert not any(line.startswith("so far") for line in shown(ArenaReport(snapshot)))
    die(5000)
    arena.reap()
    for _ in range(2):
        with pytest.raises(OutOfPages):
            arena.alloc("2 MiB")
    with Snapshot(f"/dev/shm/{name}") as snapshot:
        [line] = [line for line in shown(ArenaReport(snapshot)) if line.startswith("so far")]
    assert line.split(maxsplit=2)[2] == "2 allocations failed, 1 dead reaped"
