"""Replays of one trace side by side: each as it would be alone, and shown in the width there is."""

from __future__ import annotations

import io
import random
from itertools import product

import pytest
from rich.console import Console

from pagebuddy import PageRanges
from pagebuddy.tools.replaying.comparison import Comparison
from pagebuddy.tools.replaying.replay import compare, replay
from pagebuddy.tools.replaying.variant import Policy, Variant
from pagebuddy.tools.traces import content
from pagebuddy.tools.traces.trace import Trace

MEMORY = 1 << 20


@pytest.fixture
def rows():
    """Some thousand events of bytes, more than MEMORY can hold at times, and some of none."""
    chance, live, rows = random.Random(11), [], []
    for key in range(1500):
        size = chance.choice([0, 1, 4096, int(chance.lognormvariate(8, 2))])
        rows.append(("alloc", key, size))
        live.append(key)
        while live and chance.random() < (0.35 if key % 700 < 350 else 0.6):
            rows.append(("free", live.pop(chance.randrange(len(live))), ""))
    return rows


@pytest.fixture
def path(tmp_path, rows):
    path = tmp_path / "trace.csv"
    path.write_text("op,id,bytes\n" + "".join(f"{op},{key},{size}\n" for op, key, size in rows))
    return path


VARIANTS = [
    Variant(PageRanges([(0, MEMORY // page_size)]), page_size, order, policy)
    for page_size, order, policy in product((512, 4096), (4, 8), Policy)
]


def figures(result):
    named = result.as_dict().items()
    return {name: value for name, value in named if not name.endswith("seconds")}


def test_each_is_as_alone(Buddy, path, monkeypatch):
    alone = [
        replay(
            Trace(path),
            variant.ranges,
            page_size=variant.page_size,
            max_order=variant.max_order,
            policy=variant.policy,
            allocator=Buddy,
        )
        for variant in VARIANTS
    ]
    monkeypatch.setattr(content, "BLOCK", 3000)  # so that there are many stretches
    together = compare(Trace(path), VARIANTS, allocator=Buddy)
    assert [figures(result) for result in together] == [figures(result) for result in alone]
    assert len({result.failures for result in together}) > 2


def one_by_one(Buddy, rows, variant):
    """The same by an allocator that is asked one call at a time: failures, and used and asked for
    at the fullest moment and in the end.
    """
    buddy = Buddy(variant.ranges, page_size=variant.page_size, max_order=variant.max_order)
    live, failures, used, asked, peak = {}, 0, 0, 0, (0, 0)
    for op, key, size in rows:
        if op == "free":
            page, n_pages, n_bytes = live.pop(key)
            used, asked = used - n_pages, asked - n_bytes
            if n_pages:
                buddy.free(page)
            continue
        n_pages, page = -(-size // variant.page_size), None
        try:
            if n_pages and variant.policy is Policy.BLOCKS:
                order = (n_pages - 1).bit_length()
                if order > variant.max_order:
                    raise MemoryError
                n_pages, page = 1 << order, buddy.alloc_order(order)
            elif n_pages:
                page = buddy.alloc(n_pages)
        except MemoryError:
            failures += 1
            n_pages = size = 0
        live[key] = page, n_pages, size
        used, asked = used + n_pages, asked + size
        if used > peak[0]:
            peak = used, asked
    return failures, peak, (used, asked)


@pytest.mark.parametrize("variant", VARIANTS[:2] + VARIANTS[-2:], ids=str)
def test_as_one_by_one(Buddy, path, rows, variant):
    (result,) = compare(Trace(path), [variant], allocator=Buddy)
    expected = one_by_one(Buddy, rows, variant)
    assert result.failures == expected[0] > 0
    assert (result.peak.used, result.asked_at_peak) == expected[1]
    assert (result.end.used, result.asked_in_end) == expected[2]
    assert result.rounding == result.peak.used * variant.page_size - result.asked_at_peak > 0
    assert result.empty == sum(row[0] == "alloc" and row[2] == 0 for row in rows) > 0
    assert (result.overlaps, result.skipped_frees, result.skipped_allocs) == (0, 0, 0)


def test_page_orders_in_other_pages(Buddy, tmp_path):
    """A recorded page is so many bytes, whatever the pages are that it is replayed in."""
    path = tmp_path / "t.csv"
    path.write_text("event,pfn,order\nalloc,1,0\nalloc,2,3\nfree,2,3\nalloc,3,1\n")
    variants = [Variant(PageRanges([(0, (1 << 20) // n)]), n) for n in (1024, 4096, 16384)]
    results = compare(Trace(path), variants, allocator=Buddy)
    assert [result.peak.used for result in results] == [4 + 32, 1 + 8, 1 + 2]
    assert [result.rounding for result in results] == [0, 0, 3 * 4096]
    assert [result.end.used for result in results] == [4 + 8, 1 + 2, 1 + 1]


def shown(results, width):
    file = io.StringIO()
    Console(file=file, width=width).print(Comparison(results))
    return file.getvalue()


@pytest.fixture
def results(path):
    return compare(Trace(path), VARIANTS)


def test_a_line_for_each(results):
    text = shown(results, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    lines = [line.split() for line in text.splitlines() if " exact " in line or " blocks " in line]
    assert len(lines) == len(VARIANTS)
    for line, result in zip(lines, results, strict=True):
        size = {512: ["512", "bytes"], 4096: ["4", "KiB"]}[result.page_size]
        assert line[:5] == [*size, str(result.max_order), result.policy, str(result.failures)]
    assert "no page was allocated twice" in text
    assert "unusable" in text


def test_what_is_the_same_is_told_once(results):
    same = [results[0], results[2]]  # but for the highest order
    text = shown(same, 80)
    assert "pages of 512 bytes, exact spans, " in text
    assert [line.split()[0] for line in text.splitlines() if line.rstrip().endswith(" ns")] == [
        "4",
        "8",
    ]


@pytest.mark.parametrize("width", [44, 60, 72, 120])
def test_figures_are_left_out_before_they_are_cut(results, width):
    text = shown(results, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert ("engine" in text) is (width == 120)
    assert "failed" in text
