"""An allocator with all that the metadata can contain, and what is done with it once it is damaged."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pagebuddy import CorruptMetadata, OutOfPages, PageRanges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

RANGES = PageRanges([(0, 2048), (5003, 150)])
BLOCKS = [(384, 64), (512, 64), (1536, 256), (1792, 128)]
SMALL = {1: range(8), 2: range(8, 24, 2), 4: range(24, 56, 4), 8: range(56, 128, 8)} | {
    16: range(128, 256, 16),
    32: range(256, 384, 32),
}
ODD = [(5003, 5), (5008, 3), (5011, 40), (5051, 7), (5058, 21), (5079, 3), (5082, 70), (5152, 1)]


def rich_allocator(allocator: Any) -> Any:
    """Return an allocator with free blocks of many orders, waiting spans, a span aside and a front.

    Each free block has a buddy that is not free as a whole.
    """
    buddy = allocator(RANGES)
    small = [(page, n) for n, pages in SMALL.items() for page in pages]
    for page, n in [*BLOCKS, *ODD, *small]:
        buddy.alloc_at(page, n)
    assert buddy.alloc(1) == 448, "opens the smallest block; its rest is the front"
    for n, count in ((1, 2), (2, 3), (4, 1), (8, 2), (16, 1), (32, 1)):
        for page in SMALL[n][::3][:count]:
            buddy.free(page)
    for page, _ in ODD[::2]:
        buddy.free(page)
    return buddy


class Holder:
    """Calls an allocator, and knows which pages it was given.

    `twice` becomes true if a page of a live span was allocated. `unsure` has the spans that a call was
    freeing as it raised, and `batch` the size of those that it was allocating: they may be live or not.
    """

    def __init__(self, buddy: Any, live: dict[int, int]) -> None:
        self.buddy = buddy
        self.live = dict(live)
        self.held = {page for first, n in live.items() for page in range(first, first + n)}
        self.unsure: dict[int, int] = {}
        self.batch = 0
        self.twice = False

    def took(self, first: int, n: int) -> None:
        pages = range(first, first + n)
        self.twice |= not self.held.isdisjoint(pages)
        self.held.update(pages)
        self.live[first] = n

    def alloc(self, n: int) -> None:
        self.took(self.buddy.alloc(n), n)

    def alloc_many(self, order: int, count: int) -> None:
        try:
            pages = self.buddy.alloc_many(order, count)
        except CorruptMetadata:
            self.batch = 1 << order
            raise
        for page in pages:
            self.took(int(page), 1 << order)

    def free(self, first: int) -> None:
        n = self.live.pop(first)
        self.unsure = {first: n}
        self.buddy.free(first)
        self.unsure = {}
        self.held.difference_update(range(first, first + n))

    def free_many(self, pages: list[int]) -> None:
        self.unsure = {first: self.live.pop(first) for first in pages}
        self.buddy.free_many(pages)
        for first, n in self.unsure.items():
            self.held.difference_update(range(first, first + n))
        self.unsure = {}

    def shrink(self, first: int) -> None:
        was = self.live.pop(first)
        n = (was + 1) // 2
        self.unsure = {first: n}
        self.buddy.resize(first, n)
        self.unsure = {}
        self.live[first] = n
        self.held.difference_update(range(first + n, first + was))

    def fill(self, sizes: Iterable[int]) -> None:
        """Allocate spans of each size until there is no room: in the end, each page that is free."""
        for n in sizes:
            with suppress(OutOfPages):
                while not self.twice:
                    self.alloc(n)


def fill(holder: Holder, chance: Random) -> None:
    holder.fill([512, 256, 128, 100, 64, 32, 8, 3, 2, 1])


def fill_by_pages(holder: Holder, chance: Random) -> None:
    for n in (1, 2, 4, 8, 16, 32, 3, 64, 100):
        with suppress(OutOfPages):
            holder.alloc(n)
    holder.fill([1])


def fill_by_batches(holder: Holder, chance: Random) -> None:
    for order in (9, 8, 7, 6, 5, 3, 0):
        with suppress(OutOfPages):
            while not holder.twice:
                holder.alloc_many(order, chance.choice([1, 3]))
    holder.fill([1])


def free_half_and_fill(holder: Holder, chance: Random) -> None:
    for page in chance.sample(sorted(holder.live), len(holder.live) // 2):
        holder.free(page)
    fill(holder, chance)


def free_all_and_fill(holder: Holder, chance: Random) -> None:
    pages = sorted(holder.live)
    chance.shuffle(pages)
    for page in pages[:-9]:
        holder.free(page)
    holder.free_many(pages[-9:])
    fill(holder, chance)


def free_blocks_and_fill(holder: Holder, chance: Random) -> None:
    """Free the buddies of free blocks, which merge with them."""
    for first, _ in chance.sample(BLOCKS, 3):
        holder.free(first)
    holder.fill([128, 64, 1])


def shrink_and_fill(holder: Holder, chance: Random) -> None:
    for page in sorted(holder.live)[::2]:
        holder.shrink(page)
    holder.fill([128, 64, 1])


def look_and_fill(holder: Holder, chance: Random) -> None:
    holder.buddy.stats()
    for walk in (holder.buddy.spans, holder.buddy.free_blocks):
        list(walk())
    holder.fill([128, 64, 1])


WAYS: list[Callable[[Holder, Random], None]] = [
    fill,
    fill_by_pages,
    fill_by_batches,
    free_half_and_fill,
    free_all_and_fill,
    free_blocks_and_fill,
    shrink_and_fill,
    look_and_fill,
]
