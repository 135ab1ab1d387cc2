"""The parts of an arena's tables that creating it stores to: a few pages, far apart.

On a full file system, touching a page without room kills the process; so these pages are requested
first, by a call that can fail.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from pagebuddy.core.words import FIRST_NODE, GROUP_ORDER, GROUP_WORDS, N_LISTS

if TYPE_CHECKING:
    from pagebuddy.sharing.layout import Layout

_WORDS_IN_PAGE = mmap.PAGESIZE // 8


def first_touched(layout: Layout) -> Iterator[tuple[int, int]]:
    """Yield offset and length, in bytes, of each run of the system's pages that a new arena stores to.

    Cost: a step for each block of the largest order.
    """
    yield from _runs(_words(layout))


def _runs(words: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The runs of the system's pages that contain these words."""
    pages = sorted({word // _WORDS_IN_PAGE for word in words})
    for _, run in groupby(enumerate(pages), lambda pair: pair[1] - pair[0]):
        numbers = [page for _, page in run]
        yield numbers[0] * mmap.PAGESIZE, len(numbers) * mmap.PAGESIZE


def _words(layout: Layout) -> Iterator[int]:
    """At least one word of each page."""
    geometry = layout.geometry
    groups = layout.metadata_at + geometry.groups_at
    records = layout.metadata_at + geometry.records_at
    yield from range(0, groups, _WORDS_IN_PAGE)
    yield from (groups, groups + GROUP_WORDS * N_LISTS - 1)
    yield from (records, records + FIRST_NODE)
    if (
        layout.max_order < GROUP_ORDER
        or GROUP_WORDS << layout.max_order >> GROUP_ORDER <= _WORDS_IN_PAGE
    ):
        # Blocks are so small that each page has the first group of one.
        yield from range(groups, records, _WORDS_IN_PAGE)
        yield records - 1
        return
    for place, _ in _blocks(layout.n_pages, layout.max_order):
        first = groups + GROUP_WORDS * (N_LISTS + (place >> GROUP_ORDER))
        yield from (first, first + GROUP_WORDS - 1)


def _blocks(n_pages: int, top: int) -> Iterator[tuple[int, int]]:
    """The blocks of an arena whose pages are all free: page and order."""
    place = 0
    while place < n_pages:
        order = min(top, (n_pages - place).bit_length() - 1)
        yield place, order
        place += 1 << order
