"""What making an arena stores to: a few pages of many, far apart.

Where a file system is full, to touch a page that it has no room for ends the process; so these are had
from the system before, by a call that can fail.
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

    Cost: that of laying it out, a step for each block of the largest order.
    """
    yield from _runs(_words(layout))


def bits_looked_at(layout: Layout) -> Iterator[tuple[int, int]]:
    """Yield the same for what is read to prove that what was never used is free."""
    bits = layout.metadata_at + layout.geometry.table_end
    yield from _runs(
        bits + (2 * place + (1 << k) >> 6)
        for place, order in _blocks(layout.n_pages, layout.max_order)
        for k in range(order + 1)
    )


def _runs(words: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The runs of the system's pages that words lie in."""
    pages = sorted({word // _WORDS_IN_PAGE for word in words})
    for _, run in groupby(enumerate(pages), lambda pair: pair[1] - pair[0]):
        numbers = [page for _, page in run]
        yield numbers[0] * mmap.PAGESIZE, len(numbers) * mmap.PAGESIZE


def _words(layout: Layout) -> Iterator[int]:
    """A word in each page, or more."""
    geometry = layout.geometry
    bits = layout.metadata_at + geometry.table_end
    heads = layout.metadata_at + geometry.links_at
    yield from range(0, bits, _WORDS_IN_PAGE)
    yield bits
    yield from (heads, heads + N_HEADS)
    if 1 << layout.max_order <= _WORDS_IN_PAGE:
        # A block, and so its link, in each page.
        yield from range(bits, layout.holds_at, _WORDS_IN_PAGE)
        yield layout.holds_at - 1
        return
    for place, order in _blocks(layout.n_pages, layout.max_order):
        yield bits + (2 * place + (1 << order) >> 6)
        yield heads + N_HEADS + place


def _blocks(n_pages: int, top: int) -> Iterator[tuple[int, int]]:
    """The blocks of an arena where all is free: page and order."""
    place = 0
    while place < n_pages:
        order = min(top, (n_pages - place).bit_length() - 1)
        yield place, order
        place += 1 << order
