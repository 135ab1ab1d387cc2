"""Having words of an arena's tables backed, before an operation stores to them.

Making an arena touches a few pages of its tables; the others come with use. Where a file system is full,
to touch a page that it has no room for ends the process. An operation that would stops before it has
changed anything, tells what it misses, and is tried again once that is there: see `core.backing`. Each
page is asked for once by each process.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pagebuddy.core.arith import order_from
from pagebuddy.core.words import GRANULE, N_HEADS
from pagebuddy.errors import OutOfPages
from pagebuddy.sharing.joining.failures import cut_off
from pagebuddy.sharing.joining.first_touch import bits_looked_at
from pagebuddy.sharing.words import (
    A_TICKETS_END,
    ENTRY_WORDS,
    MISSING_DIRECTORY,
    MISSING_TICKETS,
    TICKET_WORDS,
)

if TYPE_CHECKING:
    from pagebuddy.sharing.layout import Layout

WORD = 8

# A page of them, or more.
_TICKETS_AT_ONCE = mmap.PAGESIZE // (TICKET_WORDS * WORD)


def words_of_granules(layout: Layout) -> int:
    """Return how many words have a bit for each granule."""
    return (N_HEADS + layout.n_pages) // GRANULE // 64 + 2


def back(a: Any, missing: int) -> None:
    """Have what an operation misses backed.

    Raises `OutOfPages`, its cause the system's error; `CorruptMetadata` where the file was cut off.
    """
    layout, medium = a.layout, a.medium
    if medium.is_cut():
        raise cut_off()
    if missing == MISSING_DIRECTORY:
        medium.back([(layout.entries_at * WORD, layout.n_entries * ENTRY_WORDS * WORD)])
        a.know((), 0, 0, True)
    elif missing == MISSING_TICKETS:
        first = min(a.memory[A_TICKETS_END], layout.n_tickets)
        end = min(first + _TICKETS_AT_ONCE, layout.n_tickets)
        at = layout.tickets_at + first * TICKET_WORDS
        medium.back([(at * WORD, (end - first) * TICKET_WORDS * WORD)])
        a.know((), 0, end, False)
    else:
        _back_node(a, missing)


def back_bytes(a: Any, offset: int, n_bytes: int) -> None:
    """Have bytes of the pages backed, which are about to be stored to, or read. Raises as `back`.

    Cost: a few system calls, and 60 ns a page of shared memory, once for each page as long as none is
    given back to the system; nothing where `Medium.limited` is off.
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
    # Of a page larger than the system's, the rest is not there.
    a.know_pages(first, n if page_size <= mmap.PAGESIZE else n_bytes // page_size)


def room_for(a: Any, n_bytes: int) -> Any:
    """Return a new buffer to store to: its bytes are there. Raises as `back`."""
    buffer = a.alloc(n_bytes)
    try:
        back_bytes(a, buffer.offset, n_bytes)
    except BaseException:
        # A traceback would keep it.
        buffer.release()
        raise
    return buffer


def back_all_bits(a: Any) -> None:
    """Have the bits backed that a proof of every invariant looks at. Raises as `back`."""
    if a.medium.limited:
        a.medium.back(bits_looked_at(a.layout))


def _back_node(a: Any, node: int) -> None:
    """Have the words of a node's granule, and the bits of all blocks up to it, backed.

    If there is room, those behind it too at which a split of untouched pages needs words.
    """
    layout, medium = a.layout, a.medium
    end = _end_of_block(layout, node - N_HEADS + 1)
    granule = (node + layout.links_at % GRANULE) // GRANULE
    if end > a.end_of_known_bits:
        medium.back([_bits(layout, a.end_of_known_bits, end)])
    medium.back(_words(layout, granule))
    a.know([granule], end, 0, False)
    with suppress(OutOfPages):
        for behind in _granules_behind(layout, node):
            if not a.knows(behind):
                medium.back(_words(layout, behind))
                a.know([behind], 0, 0, False)


def _end_of_block(layout: Layout, place: int) -> int:
    """The end of the largest block that a place is in."""
    return min(((place >> layout.max_order) + 1) << layout.max_order, layout.n_pages)


def _bits(layout: Layout, place: int, end: int) -> tuple[int, int]:
    """Where the bits of the blocks from a place to another are: offset and length in bytes."""
    first = layout.metadata_at + layout.geometry.table_end + place // 32
    return first * WORD, (end // 32 + 1 - place // 32) * WORD


def _words(layout: Layout, granule: int) -> Iterator[tuple[int, int]]:
    """Where the links and the holds of a granule are."""
    first = (layout.links_at // GRANULE + granule) * GRANULE
    yield first * WORD, GRANULE * WORD
    place = max(first - layout.links_at - N_HEADS, 0)
    end = min(first + GRANULE - layout.links_at - N_HEADS, layout.n_pages)
    if place < end:
        width = layout.words_of_holds * WORD
        yield layout.holds_at * WORD + place * width, (end - place) * width


def _granules_behind(layout: Layout, node: int) -> Iterator[int]:
    """The granules in which the blocks start that are left behind one, in a largest block."""
    place = (node - N_HEADS) // GRANULE * GRANULE + GRANULE
    end = _end_of_block(layout, node - N_HEADS)
    while place < end:
        yield (N_HEADS + place + layout.links_at % GRANULE) // GRANULE
        place += 1 << order_from(place, end - place, layout.max_order)
