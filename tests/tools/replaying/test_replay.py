"""The replay: its figures, its checks, and the recorded traces."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from pagebuddy import COMPILED, BuddyAllocator, CorruptMetadata, PageRanges
from pagebuddy.allocator import buddy as uncompiled
from pagebuddy.tools.replaying.replay import replay
from pagebuddy.tools.traces import content
from pagebuddy.tools.traces.trace import Trace

DATA = Path(__file__).parents[3] / "data"
IOMEM = PageRanges.from_iomem((DATA / "iomem.txt").read_text())
MEMORY = PageRanges([(1, 0x9E), (0x100, 0x300), (0x1000, 0x40)])


def write(folder, rows):
    path = folder / "trace.csv"
    path.write_text("event,pfn,order\n" + "".join(f"{e},{pfn},{order}\n" for e, pfn, order in rows))
    return Trace(path)


@pytest.fixture
def random_trace(tmp_path):
    """Some thousand events, more than MEMORY can hold at times."""
    chance, live, rows = random.Random(3), [], []
    for pfn in range(4_000):
        rows.append(("alloc", pfn, min(int(chance.expovariate(0.7)), 9)))
        live.append(rows[-1][1:])
        while live and chance.random() < (0.35 if pfn % 2_000 < 1_000 else 0.6):
            rows.append(("free", *live.pop(chance.randrange(len(live)))))
    return write(tmp_path, rows)


def test_a_small_trace(Buddy, tmp_path):
    trace = write(
        tmp_path,
        [
            ("free", 9, 0),  # its allocation was not recorded
            ("alloc", 7, 3),
            ("alloc", 7, 3),  # still live
            ("alloc", 8, 2),
            ("free", 7, 1),  # tells another order
            ("free", 7, 3),
            ("alloc", 9, 0),
        ],
    )
    result = replay(trace, PageRanges([(0, 64)]), max_order=6, allocator=Buddy)
    assert (result.events, result.allocs, result.frees) == (7, 3, 1)
    assert (result.skipped_allocs, result.skipped_frees, result.differing_sizes) == (1, 2, 1)
    assert (result.failures, result.overlaps) == (0, 0)
    assert (result.peak.used, result.peak.n_spans) == (12, 2)
    assert result.peak.free_blocks == (0, 0, 1, 0, 1, 1, 0)
    assert (result.end.used, result.end.n_spans) == (5, 2)
    assert result.fullest.n_blocks.tolist() == list(result.peak.free_blocks)
    assert result.final.n_blocks.tolist() == list(result.end.free_blocks)
    assert result.compiled is (Buddy is not uncompiled.BuddyAllocator)


def test_allocations_that_find_no_room(Buddy, tmp_path):
    """They take no part in the peak, and their frees free nothing."""
    trace = write(
        tmp_path,
        [
            ("alloc", 1, 2),
            ("alloc", 2, 3),  # no room beside the first
            ("alloc", 3, 4),  # above the top order
            ("free", 2, 3),
            ("free", 1, 2),
            ("alloc", 4, 3),
            ("alloc", 5, 0),  # full
        ],
    )
    result = replay(trace, PageRanges([(0, 8)]), max_order=3, allocator=Buddy)
    assert (result.allocs, result.failures, result.overlaps) == (5, 3, 0)
    assert (result.peak.used, result.end.used) == (8, 8)


@pytest.mark.one_engine
def test_the_peak_is_exact(Buddy, random_trace, monkeypatch):
    """Against an allocator that is asked one call at a time."""
    buddy = Buddy(MEMORY, max_order=9)
    live, highest, at_highest = {}, -1, None
    failures = 0
    for events in random_trace:
        for is_alloc, pfn, order in zip(*(part.tolist() for part in events[:3]), strict=True):
            if not is_alloc:
                if pfn in live:
                    buddy.free(live.pop(pfn))
                continue
            try:
                live[pfn] = buddy.alloc_order(order)
            except MemoryError:
                failures += 1
            used = sum(n for _, n in buddy.spans())
            if used > highest:
                # A copy: to look at the free blocks settles what is aside.
                highest, at_highest = used, bytes(buddy.metadata)
    fullest = Buddy.attach(bytearray(at_highest))
    monkeypatch.setattr(content, "BLOCK", 5_000)  # so that there are many stretches
    result = replay(random_trace, MEMORY, max_order=9, allocator=Buddy)
    assert (result.failures, result.overlaps) == (failures, 0)
    assert failures > 0
    assert result.peak == fullest.stats()
    assert result.end == buddy.stats()
    blocks = zip(
        result.fullest.free_first.tolist(), result.fullest.free_order.tolist(), strict=True
    )
    assert list(blocks) == list(fullest.free_blocks())


def test_stretches_do_not_change_the_result(Buddy, random_trace, monkeypatch):
    def result():
        figures = replay(random_trace, MEMORY, max_order=9, allocator=Buddy).as_dict()
        return {name: value for name, value in figures.items() if not name.endswith("seconds")}

    whole = result()
    monkeypatch.setattr(content, "BLOCK", 100)
    assert result() == whole


def test_progress(Buddy, random_trace, monkeypatch):
    monkeypatch.setattr(content, "BLOCK", 5_000)
    shares = []
    replay(random_trace, MEMORY, allocator=Buddy, progress=shares.append)
    assert len(shares) > 5
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_trace_without_events(Buddy, tmp_path):
    result = replay(write(tmp_path, []), MEMORY, allocator=Buddy)
    assert (result.events, result.operations, result.peak.used) == (0, 0, 0)
    assert result.peak == result.end


class GivesTwice(uncompiled.BuddyAllocator):
    """Gives the page of the first allocation to the last as well."""

    def run(self, ops, pages):
        failed = super().run(ops, pages)
        if len(ops):
            pages[int(ops[-1]) & 0xFFFFFFFF] = pages[int(ops[0]) & 0xFFFFFFFF]
        return failed


def test_a_page_given_twice_is_an_overlap(tmp_path):
    trace = write(tmp_path, [("alloc", pfn, 1) for pfn in range(3)])
    assert replay(trace, MEMORY, allocator=GivesTwice).overlaps == 2
    assert replay(trace, MEMORY, allocator=uncompiled.BuddyAllocator).overlaps == 0


class DependsOnTheCuts(uncompiled.BuddyAllocator):
    """Starts each list of operations by a span that nobody asked for."""

    def run(self, ops, pages):
        self.alloc(1)
        return super().run(ops, pages)


def test_both_allocators_must_end_alike(tmp_path):
    trace = write(tmp_path, [("alloc", 1, 0), ("free", 1, 0)] * 3)
    with pytest.raises(CorruptMetadata, match="the same operations leave the same metadata"):
        replay(trace, MEMORY, allocator=DependsOnTheCuts)


class KeepsSpans(uncompiled.BuddyAllocator):
    """Drops the last operation if it is a free."""

    def run(self, ops, pages):
        if len(ops) and int(ops[-1]) >> 32 == 0:
            ops = ops[:-1]
        return super().run(np.ascontiguousarray(ops), pages)


def test_the_figures_must_be_those_of_the_operations(tmp_path):
    trace = write(tmp_path, [("alloc", 1, 0), ("alloc", 2, 0), ("free", 2, 0)])
    with pytest.raises(CorruptMetadata, match="the used pages are those of live spans"):
        replay(trace, MEMORY, allocator=KeepsSpans)


def test_the_ftrace_sample_on_a_real_memory_map(Buddy):
    small = PageRanges([*list(IOMEM)[:1], (0x100, 0x4000)])
    result = replay(Trace(DATA / "ftrace-sample.txt.gz"), small, allocator=Buddy)
    assert (result.events, result.allocs, result.frees) == (4_000, 3_573, 342)
    assert (result.skipped_allocs, result.skipped_frees) == (0, 85)
    assert (result.failures, result.overlaps, result.peak.used) == (0, 0, 3_388)


@pytest.mark.skipif(not COMPILED, reason="a million events take too long uncompiled")
@pytest.mark.parametrize(
    ("name", "peak", "end"),
    [("kernel-server.csv.gz", 258_857, 17_448), ("kernel-build.csv.gz", 134_331, 63_180)],
)
def test_the_recorded_traces_on_a_real_memory_map(name, peak, end):
    result = replay(Trace(DATA / name), IOMEM, allocator=BuddyAllocator)
    assert (result.failures, result.overlaps, result.differing_sizes) == (0, 0, 0)
    assert result.operations + result.skipped_frees + result.skipped_allocs == result.events
    assert (result.peak.used, result.end.used) == (peak, end)
    assert result.compiled
