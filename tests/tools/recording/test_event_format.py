"""What the kernel tells of its buffers: read, or refused where nothing could be made of it."""

from __future__ import annotations

import pytest

from pagebuddy.tools.recording.event_format import EventFormat, PageLayout, Place

PAGE = """\
	field: u64 timestamp;	offset:0;	size:8;	signed:0;
	field: local_t commit;	offset:8;	size:4;	signed:1;
	field: int overwrite;	offset:8;	size:1;	signed:1;
	field: char data;	offset:12;	size:{size};	signed:0;
"""
FORMAT = """\
name: mm_page_alloc
ID: 12
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;

	field:unsigned long pfn;	offset:8;	size:4;	signed:0;
	field:unsigned int order;	offset:12;	size:4;	signed:0;

print fmt: "page=%p pfn=0x%lx order=%d", REC->pfn
"""


def test_a_kernel_of_32_bits():
    layout = PageLayout.read(PAGE.format(size=4084))
    assert (layout, layout.size) == (PageLayout(Place(8, 4), Place(12, 4084)), 4096)
    event = EventFormat.read(FORMAT)
    assert (event, event.reach) == (EventFormat(12, Place(8, 4), Place(12, 4)), 16)


@pytest.mark.parametrize(
    "text",
    ["", PAGE.format(size=4084).replace("commit", "x"), PAGE.format(size=4085)],
    ids=["empty", "no commit", "an odd size"],
)
def test_a_page_layout_that_is_not_known(text):
    with pytest.raises(ValueError, match=r"no field|unknown layout|expected 4 or 8"):
        PageLayout.read(text)


@pytest.mark.parametrize(
    "text",
    [
        FORMAT.replace("12\n", "x\n"),
        FORMAT.replace("pfn;", "page;"),
        FORMAT.replace("offset:8;\tsize:4", "offset:8;\tsize:2"),
    ],
    ids=["no ID", "no pfn", "two bytes"],
)
def test_an_event_format_that_is_not_known(text):
    with pytest.raises(ValueError, match=r"no field|unknown layout|expected 4 or 8|has no ID"):
        EventFormat.read(text)
