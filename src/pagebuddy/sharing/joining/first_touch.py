"""The parts of an arena's tables that creating it stores to: a few pages, far apart.

On a full file system, touching a page without room kills the process; so these pages are requested
first, by a call that can fail.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from pagebuddy.core.words import N_HEADS

if TYPE_CHECKING:
    from pagebuddy.sharing.layout import Layout

_WORDS_IN_PAGE = mmap.PAGESIZE // 8


def first_touched(layout: Layout) -> Iterator[tuple[int, int]]:
    """Yield offset and length, in bytes, of each run of the system's pages that a new arena stores to.

    Cost: a step for each block of the largest order.
    """
    yield from _runs(_words(layout))


def bits_looked_at(layout: Layout) -> Iterator[tuple[int, int]]:
    """Yield the same for the bits that are read to check that unused pages are free."""
    bits = layout.metadata_at + layout.geometry.table_end
    yield from _runs(
        bits + (2 * place + (1 << k) >> 6)
        for place, order in _blocks(layout.n_pages, layout.max_order)
        for k in range(order + 1)
    )


def _runs(words: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The runs of the system's pages that contain these words."""
    pages = sorted({word // _WORDS_IN_PAGE for word in words})
    for _, run in groupby(enumerate(pages), lambda pair: pair[1] - pair[0]):
        numbers = [page for _, page in run]
        yield numbers[0] * mmap.PAGESIZE, len(numbers) * mmap.PAGESIZE


def _words(layout: Layout) -> Iterator[int]:
    """At least one word of each page."""
    geometry = layout.geometry
    bits = layout.metadata_at + geometry.table_end
    heads = layout.metadata_at + geometry.links_at
    yield from range(0, bits, _WORDS_IN_PAGE)
    yield bits
    yield from (heads, heads + N_HEADS)
    if 1 << layout.max_order <= _WORDS_IN_PAGE:
        # Blocks are so small that each page has the link of one.
        yield from range(bits, layout.holds_at, _WORDS_IN_PAGE)
        yield layout.holds_at - 1
        return
    for place, order in _blocks(layout.n_pages, layout.max_order):
        yield bits + (2 * place + (1 << order) >> 6)
        yield heads + N_HEADS + place


def _blocks(n_pages: int, top: int) -> Iterator[tuple[int, int]]:
    """The blocks of an arena whose pages are all free: page and order."""
    place = 0
    while place < n_pages:
        order = min(top, (n_pages - place).bit_length() - 1)
        yield place, order
        place += 1 << order
