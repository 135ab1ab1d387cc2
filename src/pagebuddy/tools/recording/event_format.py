"""What the kernel's trace buffers look like, as it tells itself: their pages, and events in them.

It does so in `events/header_page` and in each event's `format`. As that is read, kernels and page
sizes may differ.
"""

from __future__ import annotations

import re
from typing import NamedTuple

WORD = 4
"""Everything in a buffer lies at multiples of so many bytes."""

_ID = re.compile(r"^ID:\s*(\d+)", re.MULTILINE)
_FIELD = r"\bfield:[^;]*\b{name};\s*offset:(\d+);\s*size:(\d+);"


class Place(NamedTuple):
    """Where a number lies, in bytes."""

    offset: int
    size: int


class PageLayout(NamedTuple):
    """How one page of the buffer lies in memory. Sizes in bytes.

    >>> text = '''field: u64 timestamp; offset:0; size:8; signed:0;
    ... field: local_t commit; offset:8; size:8; signed:1;
    ... field: char data; offset:16; size:4080; signed:0;'''
    >>> PageLayout.read(text).size
    4096
    """

    commit: Place
    data: Place

    @property
    def size(self) -> int:
        """The whole page."""
        return self.data.offset + self.data.size

    @classmethod
    def read(cls, text: str) -> PageLayout:
        """The layout that `events/header_page` tells. ValueError where it tells none."""
        stamp = _place(text, "timestamp")
        layout = cls(_place(text, "commit"), _place(text, "data"))
        if stamp != (0, 8) or layout.data.offset % WORD or layout.size % WORD:
            raise ValueError(f"pages of a layout that is not known: {text!r}")
        return layout


class EventFormat(NamedTuple):
    """Where an event's page frame number and order lie, from the start of its record."""

    id: int
    pfn: Place
    order: Place

    @property
    def reach(self) -> int:
        """How far into its record an event is read, in bytes."""
        return max(self.pfn.offset + self.pfn.size, self.order.offset + WORD)

    @classmethod
    def read(cls, text: str) -> EventFormat:
        """The format that an event's `format` tells. ValueError where it tells none.

        >>> EventFormat.read('''ID: 655
        ... field:unsigned long pfn; offset:8; size:8; signed:0;
        ... field:unsigned int order; offset:16; size:4; signed:0;''').id
        655
        """
        found = _ID.search(text)
        if found is None:
            raise ValueError(f"an event without an ID: {text!r}")
        return cls(int(found[1]), _place(text, "pfn"), _place(text, "order"))


def _place(text: str, name: str) -> Place:
    found = re.search(_FIELD.format(name=name), text)
    if found is None:
        raise ValueError(f"no field {name}, which is needed: {text!r}")
    place = Place(int(found[1]), int(found[2]))
    if name in ("pfn", "order", "commit") and (place.size not in (4, 8) or place.offset % WORD):
        raise ValueError(f"field {name} has {place.size} bytes at {place.offset}: not known")
    return place
