"""What the tables say when the allocator is at fault, and at narrow widths."""

from __future__ import annotations

import io
from functools import partial

import pytest
import typer
from rich.console import Console

from pagebuddy import PageRanges
from pagebuddy.allocator.buddy import BuddyAllocator
from pagebuddy.tools.replaying import replay_command
from pagebuddy.tools.replaying.replay import compare, replay
from pagebuddy.tools.replaying.report import Report
from pagebuddy.tools.traces.trace import Trace


class GivesTwice(BuddyAllocator):
    """Gives the page of the first allocation to the last as well."""

    def run(self, ops, pages):
        failed = super().run(ops, pages)
        if len(ops):
            pages[int(ops[-1]) & 0xFFFFFFFF] = pages[int(ops[0]) & 0xFFFFFFFF]
        return failed


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("event,pfn,order\nalloc,1,1\nalloc,2,0\nalloc,3,1\n")
    return path


def shown(result, width):
    file = io.StringIO()
    Console(file=file, width=width).print(Report(result))
    return file.getvalue()


def test_an_overlap_cannot_be_overlooked(path):
    result = replay(Trace(path), PageRanges([(0, 64)]), allocator=GivesTwice)
    text = shown(result, 80)
    assert "OVERLAPS      2 pages allocated twice or outside the memory" in text
    assert "no page was allocated twice" not in text


def test_an_overlap_is_an_exit_code(path, monkeypatch, capsys):
    arguments = {"trace": path, "memory_map": None, "memory": None, "device": None}
    arguments |= {"page_size": "4096", "recorded_page_size": "4096"}
    arguments |= {"max_order": None, "policy": None}
    arguments |= {"picture": None, "at": replay_command.Moment.END, "as_json": True, "quiet": True}
    replay_command.replay_command(**arguments)
    assert '"overlaps": 0' in capsys.readouterr().out
    monkeypatch.setattr(replay_command, "compare", partial(compare, allocator=GivesTwice))
    with pytest.raises(typer.Exit) as caught:
        replay_command.replay_command(**arguments)
    assert caught.value.exit_code == 1
    assert '"overlaps": 2' in capsys.readouterr().out


@pytest.mark.parametrize(("width", "moments"), [(52, 1), (75, 1), (76, 2), (80, 2), (120, 2)])
def test_narrow_terminals_are_told_of_one_moment(path, width, moments):
    text = shown(replay(Trace(path), PageRanges([(0, 64)])), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    (order_5,) = [line.split() for line in text.splitlines() if line.lstrip().startswith("5 ")]
    assert order_5[3 : 3 + moments] == ["1"] * moments
