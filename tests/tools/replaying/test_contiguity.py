"""The share of free memory in large free blocks, during a replay and in the end."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from rich.console import Console

from pagebuddy import COMPILED, PageRanges
from pagebuddy.tools.replaying.comparison import Comparison
from pagebuddy.tools.replaying.replay import compare, replay
from pagebuddy.tools.replaying.report import Report
from pagebuddy.tools.replaying.variant import Variant
from pagebuddy.tools.traces import content
from pagebuddy.tools.traces.trace import Trace

PAGE = 256 << 10
BLOCK = 8  # such pages in 2 MiB
# The second range starts and ends inside a block, and the last one is smaller than any.
MEMORY = PageRanges([(0, 96), (131, 75), (300, 3)])
N = 1024


@pytest.fixture
def rows():
    """Operations on up to three quarters of MEMORY, so that none fails."""
    chance, live, used, rows = random.Random(7), {}, 0, []
    for number in range(N):
        size = chance.choice([1, 1, 1, 2, 3, 5])
        if live and (used + size > 120 or chance.random() < 0.4):
            key = chance.choice(list(live))
            used -= live.pop(key)
            rows.append(("free", key, ""))
        else:
            live[number], used = size, used + size
            rows.append(("alloc", number, size * PAGE))
    return rows


@pytest.fixture
def path(tmp_path, rows):
    path = tmp_path / "trace.csv"
    path.write_text("op,id,bytes\n" + "".join(f"{op},{key},{size}\n" for op, key, size in rows))
    return path


def share_of(spans):
    """The share of the free pages in whole blocks, one page after the other."""
    pages = {page for first, n in MEMORY for page in range(first, first + n)}
    free = pages - {page for first, n in spans for page in range(first, first + n)}
    blocks = [set(range(first, first + BLOCK)) for first in range(0, 303, BLOCK)]
    return sum(BLOCK for block in blocks if block <= free) / len(free)


def test_the_shares_are_those_of_the_live_spans_at_each_sixteenth(Buddy, path, rows, monkeypatch):
    buddy, live, expected = Buddy(MEMORY, page_size=PAGE), {}, []
    for number, (op, key, size) in enumerate(rows, 1):
        if op == "alloc":
            live[key] = buddy.alloc(size // PAGE), size // PAGE
        else:
            buddy.free(live.pop(key)[0])
        if number % (N // 16) == 0:
            expected.append(share_of(live.values()))
    monkeypatch.setattr(content, "BLOCK", 1000)  # so that there are many stretches
    result = replay(Trace(path), MEMORY, page_size=PAGE, allocator=Buddy)
    assert (result.operations, result.failures) == (N, 0)
    assert list(result.contiguity) == expected
    assert len(set(expected)) > 5
    assert result.mean_contiguity == pytest.approx(sum(expected) / 16)
    assert result.as_dict()["contiguity"] == expected


@pytest.mark.parametrize("page", [4096, PAGE])
def test_in_the_end_it_is_the_usable_share_of_the_allocator(Buddy, tmp_path, page):
    path = tmp_path / "trace.csv"
    path.write_text("op,id,bytes\n" + "".join(f"alloc,{i},{i % 9 * page}\n" for i in range(40)))
    result = replay(Trace(path), PageRanges([(512, 3000)]), page_size=page, allocator=Buddy)
    unusable = result.end.unusable(((2 << 20) // page).bit_length() - 1)
    assert result.contiguity[-1] == pytest.approx(1 - unusable)
    assert 0 < unusable < 1


def test_points_of_a_long_replay_are_near_the_sixteenths(Buddy, tmp_path):
    """Single pages are allocated from the lowest up, so the share tells when it was looked at."""
    n, memory = 5000, 10_240
    path = tmp_path / "trace.csv"
    path.write_text("op,id,bytes\n" + "".join(f"alloc,{i},4096\n" for i in range(n)))
    result = replay(Trace(path), PageRanges([(0, memory)]), allocator=Buddy)
    expected = [(memory - -(-used // 512) * 512) / (memory - used) for used in range(n + 1)]
    for i, share in enumerate(result.contiguity, 1):
        point, near = n * i // 16, n // 128
        around = expected[point - near : point + near + 2]
        assert min(around) <= share <= max(around)
    assert result.contiguity[-1] == expected[-1]


@pytest.mark.parametrize("ranges", [[(0, 511)], [(1, 1022)]])
def test_memory_without_such_a_block_has_no_share(Buddy, tmp_path, ranges):
    path = tmp_path / "trace.csv"
    path.write_text("op,id,bytes\nalloc,1,4096\n")
    result = replay(Trace(path), PageRanges(ranges), allocator=Buddy)
    assert (result.contiguity, result.mean_contiguity) == ((), None)
    assert result.as_dict()["contiguity"] == []
    assert "2 MiB blocks" not in shown(Report(result), 80)


def shown(table, width):
    file = io.StringIO()
    Console(file=file, width=width).print(table)
    return file.getvalue()


def test_it_is_reported(path):
    result = replay(Trace(path), MEMORY, page_size=PAGE)
    mean, late, end = result.mean_contiguity, *result.contiguity[-2:]
    lines = [line.rstrip() for line in shown(Report(result), 80).splitlines()]
    told = f"mean {mean:.1%}, at 15/16 of events {late:.1%}, at the end {end:.1%}"
    assert f"2 MiB blocks  {told}" in [line.replace(" %", "%") for line in lines]
    assert max(map(len, lines)) <= 80


def test_it_is_compared(path):
    two = compare(Trace(path), [Variant(MEMORY, PAGE, order) for order in (3, 5)])
    text = shown(Comparison(two), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "contiguous: mean share of the free memory in free blocks of 2 MiB" in text
    for result in two:
        assert f"{result.mean_contiguity:.1%}" in text.replace(" %", "%")


@pytest.mark.skipif(not COMPILED, reason="a million events take too long uncompiled")
def test_in_tight_memory_free_pages_stay_together():
    """Lists of which the last freed block is allocated first leave 0.13; lowest-address-first 0.38."""
    server = Path(__file__).parents[3] / "data" / "kernel-server.csv.gz"
    result = replay(Trace(server), PageRanges([(0, 1 << 18)]))
    assert (result.failures, result.overlaps) == (0, 0)
    assert result.contiguity[-2] > 0.28
