"""Reading ftrace text: which lines are events, and what the kernel writes for no page."""

from __future__ import annotations

import pytest

from pagebuddy.tools.traces.events import BadLine
from pagebuddy.tools.traces.ftrace import parse, recognise

HEAD = b"            sh-1000    [001] .....  3026.173400: "


def rows(text):
    events = parse(text)
    return list(
        zip(events.is_alloc.tolist(), events.key.tolist(), events.size.tolist(), strict=True)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"mm_page_alloc: page=0000000000000000 pfn=0x1f order=2 migratetype=1", (True, 31, 2)),
        (
            b"mm_page_alloc: page=ffffea0000000000 pfn=1176120 order=0 gfp_flags=0",
            (True, 1176120, 0),
        ),
        (b"mm_page_free: page=0000000000000000 pfn=0x17e679 order=0", (False, 0x17E679, 0)),
        (b"mm_page_free: page=0000000000000000 pfn=0x0 order=3", (False, 0, 3)),
        (b"mm_page_free:         page=0x7 pfn=31 order=9", (False, 31, 9)),
        (b"kmem:mm_page_alloc: page=0x7 pfn=31 order=9", (True, 31, 9)),
    ],
)
def test_events(text, expected):
    assert rows(HEAD + text + b"\n") == [expected]


@pytest.mark.parametrize(
    "text",
    [
        b"# tracer: nop\n",
        b"\n",
        HEAD + b"mm_page_free_batched: page=0 pfn=0x5 order=0\n",
        HEAD + b"mm_page_alloc_zone_locked: page=0 pfn=0x5 order=0\n",
        HEAD + b"kmalloc: call_site=x ptr=1 bytes_req=8\n",
        b" mm_page_free: x-7 [000] .... 1.5: sched_switch: prev_comm=mm_page_alloc: next\n",
    ],
)
def test_other_lines_are_skipped(text):
    assert rows(text) == []


@pytest.mark.parametrize(
    "fields",
    [
        b"page=0000000000000000 pfn=0x0",
        b"page=(null) pfn=0",
        b"page=(null) pfn=18446719884453740544",
        b"page=0000000000000000 pfn=0xffffffffffffffff",
        b"page=0 pfn=18446744073709551615",
    ],
)
def test_an_allocation_without_a_page_had_failed(fields):
    """It is the number that tells: the page's address is all zeros in a recording without it."""
    text = HEAD + b"mm_page_alloc: " + fields + b" order=4 migratetype=0\n"
    events = parse(text + HEAD + b"mm_page_alloc: page=0000000000000000 pfn=0x5 order=0\n")
    assert (events.failed, events.key.tolist()) == (1, [5])


def test_lost_events_are_counted():
    events = parse(b"CPU:1 [LOST 1234 EVENTS]\nCPU:0 [LOST 6 EVENTS]\n")
    assert (events.lost, events.key.size) == (1240, 0)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (b"page=0 pfn=0xzz order=0", "pfn is '0xzz'"),
        (b"page=0 pfn=-5 order=0", "pfn is '-5'"),
        (b"page=0 pfn=1_0 order=0", "pfn is '1_0'"),
        (b"page=0 pfn=12ab order=0", "pfn is '12ab'"),
        (b"page=0 pfn=0x8000000000000000 order=0", "pfn is '0x8000000000000000'"),
        (b"page=0 pfn=0x5 order=32", "order is '32'"),
        (b"page=0 pfn=0x5 order=-1", "order is '-1'"),
        (b"page=0 pfn=0x5", "found 'page=0 pfn=0x5'"),
        (b"pfn=0x5 order=0", "found 'pfn=0x5 order=0'"),
    ],
)
def test_the_first_wrong_event_is_named(fields, found):
    text = b"# tracer\n" + HEAD + b"mm_page_free: " + fields + b"\n"
    with pytest.raises(BadLine) as caught:
        parse(text)
    assert (caught.value.index, caught.value.found) == (1, found)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"# tracer: nop", True),
        (b"cpus=4", True),
        (b"CPU:1 [LOST 5 EVENTS]", True),
        (HEAD + b"sched_switch: prev_comm=x", True),
        (b"perf  7 [000]  12.345678: kmem:mm_page_free: page=0x1 pfn=5 order=0", True),
        (b"op,id,bytes", False),
        (b"\x89PNG", False),
    ],
)
def test_the_first_line_tells_ftrace(line, expected):
    assert recognise(line) is expected
