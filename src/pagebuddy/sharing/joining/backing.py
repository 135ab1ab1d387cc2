"""Backing words of an arena's tables with memory before an operation stores to them.

Creating an arena touches a few pages of its tables; the others are touched when they are first used. On
a full file system, touching a page without room kills the process. So an operation that needs such words
stops before it changes anything, and returns what it needs. That is backed, and the operation runs
again: see `core/granules.py`. Each process backs each page once.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pagebuddy.core.words import FIRST_NODE, GRANULE, GROUP_ORDER, GROUP_WORDS, N_LISTS
from pagebuddy.sharing.joining.failures import cut_off
from pagebuddy.sharing.words import (
    A_ENTRIES_END,
    A_TICKETS_END,
    ENTRY_WORDS,
    MISSING_DIRECTORY,
    MISSING_TICKETS,
    TICKET_WORDS,
)

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Attached, Held
    from pagebuddy.sharing.layout import Layout

WORD = 8

# At least a page.
_TICKETS_AT_ONCE = mmap.PAGESIZE // (TICKET_WORDS * WORD)
_ENTRIES_AT_ONCE = mmap.PAGESIZE // (ENTRY_WORDS * WORD)


def words_of_granules(layout: Layout) -> int:
    """Return how many words are needed for a bit for each granule."""
    return (FIRST_NODE + layout.n_pages) // GRANULE // 64 + 2


def back(a: Attached, missing: int) -> None:
    """Back the words that an operation needs.

    Raises `OutOfPages`, caused by the system's error; `CorruptMetadata` if the file was truncated.
    """
    layout, medium = a.layout, a.medium
    if medium.is_cut():
        raise cut_off()
    if missing == MISSING_DIRECTORY:
        first = min(a.memory[A_ENTRIES_END], layout.n_places)
        end = min(first + _ENTRIES_AT_ONCE, layout.n_places)
        at = layout.entries_at + first * ENTRY_WORDS
        medium.back([(at * WORD, (end - first) * ENTRY_WORDS * WORD)])
        a.know((), entries=end)
    elif missing == MISSING_TICKETS:
        first = min(a.memory[A_TICKETS_END], layout.n_tickets)
        end = min(first + _TICKETS_AT_ONCE, layout.n_tickets)
        at = layout.tickets_at + first * TICKET_WORDS
        medium.back([(at * WORD, (end - first) * TICKET_WORDS * WORD)])
        a.know((), tickets=end)
    else:
        _back_node(a, missing)


def back_bytes(a: Attached, offset: int, n_bytes: int) -> None:
    """Back bytes of the pages before they are stored to or read. Raises as `back`.

    Cost: a few system calls, and 60 ns for each page of shared memory, once for each page until pages
    are returned to the system; nothing if `Medium.limited` is off.
    """
    if not a.medium.limited or not n_bytes:
        return
    page_size = a.layout.page_size
    first, n = offset // page_size, -(-n_bytes // page_size)
    if a.knows_pages(first, n):
        return
    if a.medium.is_cut():
        raise cut_off()
    a.medium.back([(a.layout.data_at + offset, n_bytes)])
    # Only a part of a page that is larger than the system's may be backed.
    a.know_pages(first, n if page_size <= mmap.PAGESIZE else n_bytes // page_size)


def room_for(a: Attached, n_bytes: int) -> Held:
    """Return a new buffer whose bytes are backed. Raises as `back`."""
    buffer = a.alloc(n_bytes)
    try:
        back_bytes(a, buffer.offset, n_bytes)
    except BaseException:
        # Otherwise the traceback would keep it.
        buffer.release()
        raise
    return buffer


def _back_node(a: Attached, node: int) -> None:
    """Back the words of a node's granule, and the groups of all blocks up to it."""
    layout, medium = a.layout, a.medium
    end = _end_of_block(layout, node - FIRST_NODE + 1)
    granule = (node + layout.records_at % GRANULE) // GRANULE
    if end > a.end_of_known_groups:
        medium.back([_groups(layout, a.end_of_known_groups, end)])
    medium.back(_words(layout, granule))
    a.know([granule], groups=end)


def _end_of_block(layout: Layout, place: int) -> int:
    """The end of the block of the largest order that contains a place."""
    return min(((place >> layout.max_order) + 1) << layout.max_order, layout.n_pages)


def _groups(layout: Layout, place: int, end: int) -> tuple[int, int]:
    """The words of the groups between two places: offset and length in bytes."""
    first, last = place >> GROUP_ORDER, (end - 1 >> GROUP_ORDER) + 1
    at = layout.metadata_at + layout.geometry.groups_at + GROUP_WORDS * (N_LISTS + first)
    return at * WORD, GROUP_WORDS * (last - first) * WORD


def _words(layout: Layout, granule: int) -> Iterator[tuple[int, int]]:
    """The records and the holds of a granule: offsets and lengths in bytes."""
    first = (layout.records_at // GRANULE + granule) * GRANULE
    yield first * WORD, GRANULE * WORD
    place = max(first - layout.records_at - FIRST_NODE, 0)
    end = min(first + GRANULE - layout.records_at - FIRST_NODE, layout.n_pages)
    if place < end:
        width = layout.words_of_holds * WORD
        yield layout.holds_at * WORD + place * width, (end - place) * width
