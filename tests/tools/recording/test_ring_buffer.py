"""Reading the kernel's buffer pages: what an event may be, and pages that make no sense.

The pages here are made by the kernel's own description; `test_tracefs` compares with the kernel.
"""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy.tools.recording.event_format import EventFormat, PageLayout
from pagebuddy.tools.recording.ring_buffer import Decoder
from pagebuddy.tools.recording.timed_events import TimedEvents

PAGE = """\
	field: u64 timestamp;	offset:0;	size:8;	signed:0;
	field: local_t commit;	offset:8;	size:8;	signed:1;
	field: int overwrite;	offset:8;	size:1;	signed:1;
	field: char data;	offset:16;	size:{size};	signed:0;
"""
FORMAT = """\
name: an event
ID: {id}
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:unsigned long pfn;	offset:8;	size:8;	signed:0;
	field:unsigned int order;	offset:16;	size:4;	signed:0;

print fmt: "page=%p pfn=0x%lx order=%d", REC->pfn
"""
ALLOC, FREE, OTHER = 653, 655, 7
SIZE = 256
NO_PAGE = 2**64 - 1


def decoder(size=SIZE):
    formats = [EventFormat.read(FORMAT.format(id=event)) for event in (ALLOC, FREE)]
    return Decoder(PageLayout.read(PAGE.format(size=size - 16)), *formats)


def header(kind, delta):
    return struct.pack("<I", delta << 5 | kind)


def record(event, pfn, order):
    return struct.pack("<HBBiQI", event, 0, 0, 1, pfn, order)


def event(kind, delta, pfn=5, order=0):
    return header(5, delta) + record(kind, pfn, order)


def page(time, *events, flags=0, size=SIZE):
    data = b"".join(events)
    return (struct.pack("<QQ", time, len(data) | flags) + data).ljust(size, b"\0")


def rows(events):
    return list(zip(*(column.tolist() for column in events), strict=True))


def test_events_of_a_page():
    text = page(1000, event(ALLOC, 0, 31, 2), event(FREE, 7, 2**40, 10))
    assert rows(decoder().decode(text)) == [
        (1000, True, True, 31, 2),
        (1007, False, True, 2**40, 10),
    ]


def test_no_pages_and_empty_pages():
    assert rows(decoder().decode(b"")) == []
    assert rows(decoder().decode(page(1) + page(2))) == []


def test_pages_follow_each_other():
    text = page(10, event(ALLOC, 0, 1), event(ALLOC, 1, 2)) + page(20, event(FREE, 0, 1)) + page(30)
    assert [row[:4] for row in rows(decoder().decode(text))] == [
        (10, True, True, 1),
        (11, True, True, 2),
        (20, False, True, 1),
    ]


def test_an_allocation_without_a_page_was_not_served():
    text = page(0, event(ALLOC, 0, NO_PAGE, 4), event(ALLOC, 0, 2, 0))
    assert decoder().decode(text).served.tolist() == [False, True]


def test_time_still_used_in_all_the_ways_it_may():
    text = page(
        (3 << 59) + 5,
        header(30, 1) + struct.pack("<I", 2),  # 2 * 2^27 + 1 later
        event(FREE, 1),
        header(31, 9) + struct.pack("<I", 4),  # at 4 * 2^27 + 9
        event(FREE, 2),
    )
    assert decoder().decode(text).time.tolist() == [
        (3 << 59) + 5 + (2 << 27) + 2,
        (3 << 59) + (4 << 27) + 11,
    ]


def test_what_is_no_page_event_is_stepped_over():
    text = page(
        0,
        event(OTHER, 1),
        header(0, 1) + struct.pack("<I", 4 + 20) + record(ALLOC, 8, 1),  # its length in a word
        header(29, 1) + struct.pack("<I", 12) + bytes(8),  # discarded
        event(FREE, 1, 9),
        header(29, 0) + event(FREE, 1, 10),  # the rest of the page is padding
    )
    assert [(row[0], row[3]) for row in rows(decoder().decode(text))] == [(2, 8), (4, 9)]


def test_flags_beside_the_length_are_not_part_of_it():
    text = page(0, event(FREE, 0), flags=1 << 31 | 1 << 30)
    assert len(rows(decoder().decode(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        page(0, b"", flags=SIZE),
        page(0, event(ALLOC, 0, 2**63)),
        page(0, event(FREE, 0, 5, 32)),
        page(0, bytes(SIZE - 16 - 4), header(5, 0)),
        page(0, header(2, 0), record(FREE, 0, 0)[:8], event(FREE, 0)),
        page(0, header(5, 0), record(FREE, 0, 0)[:8]),
    ],
    ids=["length", "page", "order", "zeros", "a short event", "an event over the end"],
)
def test_pages_that_make_no_sense(text):
    with pytest.raises(ValueError, match="trace buffer"):
        decoder().decode(text)


@given(st.lists(st.integers(0, 31) | st.just(FREE) | st.integers(0, 2**32 - 1)), st.integers(0))
def test_noise_is_read_or_refused(words, length):
    noise = struct.pack(f"<{len(words)}I", *words)[: SIZE - 16]
    text = page(0, noise, flags=0)
    text = text[:8] + struct.pack("<Q", length % (SIZE - 15)) + text[16:]
    with suppress(ValueError):
        decoder().decode(text + text)


STORIES = st.lists(
    st.tuples(
        st.integers(0, 2**27 - 1), st.booleans(), st.integers(0, 2**63 - 1), st.integers(0, 31)
    ),
    max_size=40,
)


@given(STORIES, st.integers(0, 2**50))
def test_what_was_written_is_read(story, start):
    pages, expected, now = [], [], start
    for at in range(0, len(story), 10):
        part = story[at : at + 10]
        kinds = [ALLOC if is_alloc else FREE for _, is_alloc, _, _ in part]
        events = [
            event(kind, delta, pfn, order)
            for kind, (delta, _, pfn, order) in zip(kinds, part, strict=True)
        ]
        pages.append(page(now, *events))
        for delta, is_alloc, pfn, order in part:
            now += delta
            expected.append((now, is_alloc, True, pfn, order))
    assert rows(decoder().decode(b"".join(pages))) == expected


def test_joining_and_taking():
    events = TimedEvents.joined([decoder().decode(page(1, event(FREE, 0, 3)))] * 2)
    assert rows(events.take(np.array([1]))) == rows(events)[:1]
