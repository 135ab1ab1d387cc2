"""Reads the layout of the kernel's trace buffers: of their pages and of events. Used by `tracefs`.

The kernel describes it in `events/header_page` and in each event's `format`, so different kernels and
page sizes work.
"""

from __future__ import annotations

import re
from typing import NamedTuple

WORD = 4
"""The alignment of everything in a buffer, in bytes."""

_ID = re.compile(r"^ID:\s*(\d+)", re.MULTILINE)
_FIELD = r"\bfield:[^;]*\b{name};\s*offset:(\d+);\s*size:(\d+);"


class Place(NamedTuple):
    """Where a number is: offset and size in bytes."""

    offset: int
    size: int


class PageLayout(NamedTuple):
    """The layout of a page of the buffer.

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
        """The size of the whole page in bytes."""
        return self.data.offset + self.data.size

    @classmethod
    def read(cls, text: str) -> PageLayout:
        """Read the layout in `events/header_page`. Raises `ValueError` if it is not supported."""
        stamp = _place(text, "timestamp")
        layout = cls(_place(text, "commit"), _place(text, "data"))
        if stamp != (0, 8) or layout.data.offset % WORD or layout.size % WORD:
            raise ValueError(f"the kernel's trace pages have an unknown layout: {text!r}")
        return layout


class EventFormat(NamedTuple):
    """Where an event's page frame number and order are, from the start of its record."""

    id: int
    pfn: Place
    order: Place

    @property
    def reach(self) -> int:
        """The number of bytes of a record that are read."""
        return max(self.pfn.offset + self.pfn.size, self.order.offset + WORD)

    @classmethod
    def read(cls, text: str) -> EventFormat:
        """Read the format in an event's `format`. Raises `ValueError` if it is not supported.

        >>> EventFormat.read('''ID: 655
        ... field:unsigned long pfn; offset:8; size:8; signed:0;
        ... field:unsigned int order; offset:16; size:4; signed:0;''').id
        655
        """
        found = _ID.search(text)
        if found is None:
            raise ValueError(f"the format of an event has no ID: {text!r}")
        return cls(int(found[1]), _place(text, "pfn"), _place(text, "order"))


def _place(text: str, name: str) -> Place:
    found = re.search(_FIELD.format(name=name), text)
    if found is None:
        raise ValueError(f"the format of an event has no field {name}: {text!r}")
    place = Place(int(found[1]), int(found[2]))
    if name in ("pfn", "order", "commit") and (place.size not in (4, 8) or place.offset % WORD):
        raise ValueError(
            f"field {name} has {place.size} bytes at offset {place.offset}; expected 4 or 8 bytes "
            f"at a multiple of {WORD}"
        )
    return place
