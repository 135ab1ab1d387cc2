"""Figures over time: taken evenly, changing nothing, and drawn."""

from __future__ import annotations

import io
import random
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from rich.console import Console

from pagebuddy import BuddyAllocator, OutOfPages, PageRanges
from pagebuddy.tools.pictures.palette import USED, order_colours
from pagebuddy.tools.pictures.svg import as_svg
from pagebuddy.tools.pictures.timeline import Timeline
from pagebuddy.tools.pictures.timeline_picture import TimelinePicture
from pagebuddy.tools.pictures.timeline_sheet import timeline_sheet
from pagebuddy.tools.replaying.replay import replay
from pagebuddy.tools.traces.trace import Trace


def work(buddy, n, timeline=None, seed=1):
    """So many random operations, in stretches, with looks where the timeline wants them."""
    chance, live = random.Random(seed), []

    def operate(count):
        for _ in range(count):
            if live and chance.random() < 0.4:
                buddy.free(live.pop(chance.randrange(len(live))))
            else:
                try:
                    live.append(buddy.alloc(chance.randint(1, 5)))
                except OutOfPages:
                    buddy.free(live.pop())

    if timeline is None:
        operate(n)
        return
    timeline.look(buddy)
    done = 0
    while done < n:
        stretch = min(chance.randint(1, 200), n - done)
        start = 0
        for stop in timeline.stops(stretch):
            operate(stop - start)
            timeline.look(buddy)
            start = stop
        operate(stretch - start)
        done += stretch
    timeline.look(buddy)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 1000, 12_345])
@pytest.mark.parametrize("most", [2, 7, 160])
def test_moments_are_evenly_apart_and_not_too_many(n, most):
    timeline = Timeline(most)
    work(BuddyAllocator(256), n, timeline)
    at = [moment.operations for moment in timeline.moments]
    assert timeline.operations == n
    assert len(at) <= most + 1
    assert at[0] == 0
    assert at[-1] == n
    assert at[:-1] == list(range(0, n, timeline.apart))
    doublings = (timeline.apart // 16).bit_length() - 1
    assert timeline.apart == 16 << doublings
    assert doublings == 0 or n // (timeline.apart // 2) >= most


def test_looking_changes_nothing(Buddy):
    """Not even what is aside is settled: the span freed last."""
    seen, unseen = Buddy(1024), Buddy(1024)
    timeline = Timeline()
    for buddy in (seen, unseen):
        for _ in range(10):
            pages = [buddy.alloc(3) for _ in range(16)]
            buddy.free(pages.pop())
            if buddy is seen:
                timeline.operations += 17
                timeline.look(buddy)
    assert bytes(seen.metadata) == bytes(unseen.metadata)
    assert len(timeline.moments) == 10


def test_the_figures_are_those_of_the_moment(Buddy):
    buddy, timeline = Buddy(64), Timeline()
    timeline.look(buddy)
    for i, _ in enumerate(timeline.stops(48)):
        buddy.alloc((5, 8, 16)[i])
        timeline.look(buddy)
    assert [moment.stats.used for moment in timeline.moments] == [0, 5, 13, 29]
    assert [moment.stats.largest_free for moment in timeline.moments] == [64, 59, 48, 32]
    assert timeline.top_order == 6


def test_the_larger_the_memory_the_further_apart():
    timeline = Timeline()
    timeline.look(BuddyAllocator(1 << 20))
    assert timeline.apart == 1 << 10


@pytest.fixture(scope="module")
def worn():
    timeline = Timeline()
    work(BuddyAllocator(1 << 12, max_order=8), 5000, timeline)
    return timeline


def still(n_pages=64, used=0):
    buddy, timeline = BuddyAllocator(n_pages), Timeline()
    if used:
        buddy.alloc(used)
    timeline.look(buddy)
    return timeline


def shown(timeline, *, width=80, encoding="utf-8"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=file, width=width).print(TimelinePicture(timeline))
    file.flush()
    return file.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [50, 80, 200])
def test_in_a_terminal(worn, width):
    lines = shown(worn, width=width).splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= width
    assert max(map(len, lines)) > width - 12
    for line in lines[:2]:
        assert "█" in line
    assert lines[3] == "operations    5,000 from left to right"


@pytest.mark.parametrize(
    "timeline",
    [still(), still(used=64), still(1), still(1, 1)],
    ids=["empty", "full", "1", "1 used"],
)
def test_a_single_moment(check_sheet, timeline):
    assert len(shown(timeline).splitlines()) == 4
    for width in (320, 860):
        drawing = timeline_sheet(timeline, title="Memory", width=width)
        check_sheet(drawing)
        ElementTree.fromstring(as_svg(drawing))


def test_no_moment():
    assert shown(Timeline()) == "no operations\n"
    with pytest.raises(ValueError, match="the timeline is empty; call look"):
        timeline_sheet(Timeline(), title="Memory")


def test_steps_rise_and_nothing_is_blank():
    buddy, timeline = BuddyAllocator(64), Timeline()
    timeline.look(buddy)
    for _ in timeline.stops(16 * 8):
        buddy.alloc(8)
        timeline.look(buddy)
    width = 14 + 9 + len(" 100 % at order 6")
    used, free, unusable, _ = shown(timeline, width=width).splitlines()
    assert used[14:].split() == ["▁▂▃▄▅▆▇█", "256", "KiB,", "100", "%"]
    assert free[14:].split() == ["█▇▆▅▄▃▂▁", "256", "KiB"]
    assert unusable[14:].split() == ["███████", "100", "%", "at", "order", "6"]
    assert set(shown(timeline, encoding="ascii")) <= {chr(c) for c in range(10, 127)}


@pytest.mark.parametrize("width", [320, 480, 860, 1600])
def test_on_a_sheet(check_sheet, worn, width):
    drawing = timeline_sheet(worn, title="Memory over time", width=width)
    assert drawing.width == width
    check_sheet(drawing)
    fills = {box.fill for box in drawing.boxes}
    assert fills >= {USED, *order_colours(8), "faint", "rule", "ink"}


def test_the_least_fragmentation_is_seen(check_sheet):
    """Of a memory that is all but whole: its scale ends at the most there was."""
    buddy, timeline = BuddyAllocator(1 << 12, max_order=4), Timeline()
    timeline.look(buddy)
    for _ in timeline.stops(64):
        buddy.alloc(1)
        timeline.look(buddy)
    most = max(moment.stats.unusable(4) for moment in timeline.moments)
    assert 0 < most < 0.01
    line = shown(timeline).splitlines()[2]
    assert "█" in line
    assert line.endswith(" 0.4 % at order 4")
    drawing = timeline_sheet(timeline, title="Memory")
    check_sheet(drawing)
    assert "0.4 %" in [words.text for words in drawing.words]
    assert max(box.height for box in drawing.boxes if box.fill == "rule") == pytest.approx(120)


def test_areas_are_shares():
    """Half the time nothing is used, half the time a quarter; free blocks have the rest."""
    buddy, timeline = BuddyAllocator(64), Timeline()
    timeline.look(buddy)
    for i, _ in enumerate(timeline.stops(160)):
        if i == 4:
            buddy.alloc(16)
        timeline.look(buddy)
    drawing = timeline_sheet(timeline, title="Memory")
    key = 12 * 10
    area = {}
    for box in drawing.boxes:
        area[box.fill] = area.get(box.fill, -key) + box.width * box.height
    colours = order_colours(6)
    panel = area[USED] + area[colours[4]] + area[colours[5]] + area[colours[6]]
    shares = [area[fill] / panel for fill in (USED, *colours[4:])]
    assert shares == pytest.approx([1 / 8, 1 / 8, 1 / 4, 1 / 2], abs=0.01)
    stacks = {}
    for box in drawing.boxes:
        if box.fill in (USED, *colours) and box.width != 12:
            stacks.setdefault(box.left, []).append(box)
    assert len(stacks) == 11
    for stack in stacks.values():
        for below, above in pairwise(stack):
            assert above.top + above.height == pytest.approx(below.top)


def test_what_is_all_free_is_left_out_and_told():
    buddy, timeline = BuddyAllocator(1 << 14, max_order=4), Timeline()
    buddy.alloc(400)
    timeline.look(buddy)
    texts = [words.text for words in timeline_sheet(timeline, title="Memory").words]
    assert "used memory, and free blocks by order; the rest, up to 64 MiB, is free" in texts


def test_a_replay_fills_it_and_goes_as_without(Buddy, tmp_path):
    chance, live, rows = random.Random(5), [], ["event,pfn,order"]
    for pfn in range(900):
        rows.append(f"alloc,{pfn},{chance.randrange(4)}")
        live.append(pfn)
        while chance.random() < 0.45 and live:
            rows.append(f"free,{live.pop(chance.randrange(len(live)))},0")
    path = tmp_path / "trace.csv"
    path.write_text("\n".join(rows) + "\n")
    memory, timeline = PageRanges([(3, 300)]), Timeline(most=10)
    plain = replay(Trace(path), memory, allocator=Buddy)
    timed = replay(Trace(path), memory, allocator=Buddy, timeline=timeline)
    assert (timed.peak, timed.end, timed.failures) == (plain.peak, plain.end, plain.failures)
    assert plain.failures
    assert timed.final == plain.final
    assert timed.fullest == plain.fullest
    assert timeline.moments[0].stats.used == 0
    assert timeline.moments[-1] == (timed.operations, timed.end)
    assert max(moment.stats.used for moment in timeline.moments) == timed.peak.used
    at = [moment.operations for moment in timeline.moments]
    assert at == sorted(set(at))
    assert len(timeline.moments) > 4


@pytest.mark.parametrize("width", [1, 10, 39])
def test_too_narrow_a_terminal(worn, width):
    assert max(map(len, shown(worn, width=width).splitlines())) <= width
