"""How memory lies at one moment: what pictures are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagebuddy import BuddyAllocator


@dataclass(frozen=True)
class Layout:
    """Page ranges and the free blocks in them; every other page of the ranges is used.

    `ranges` are (first page, number of pages), ascending, touching ones joined. `free_first` and
    `free_order` are the free blocks by address, an entry a block, apart from each other and
    inside the ranges. `page_size` is in bytes.

    >>> buddy = BuddyAllocator(16)
    >>> page = buddy.alloc(8)
    >>> layout = Layout.of(buddy)
    >>> layout.n_pages, layout.n_free, layout.n_blocks.tolist()
    (16, 8, [0, 0, 0, 1, 0])
    """

    ranges: list[tuple[int, int]]
    free_first: NDArray[np.uint64]
    free_order: NDArray[np.int64]
    page_size: int
    max_order: int

    @classmethod
    def of(cls, buddy: BuddyAllocator) -> Layout:
        """How an allocator's memory lies now; what it has aside is settled. O(free blocks)."""
        blocks = np.array(list(buddy.free_blocks()), np.uint64).reshape(-1, 2)
        first, order = blocks[:, 0].copy(), blocks[:, 1].astype(np.int64)
        return cls(buddy.ranges.joined(), first, order, buddy.page_size, buddy.max_order)

    @property
    def n_pages(self) -> int:
        """The pages of all ranges."""
        return sum(n for _, n in self.ranges)

    @property
    def n_free(self) -> int:
        """The free pages."""
        return int((1 << self.free_order).sum())

    @property
    def top_order(self) -> int:
        """The largest order that a block in these ranges can have, at most `max_order`."""
        longest = max((n for _, n in self.ranges), default=1)
        return min(self.max_order, longest.bit_length() - 1)

    @property
    def n_blocks(self) -> NDArray[np.int64]:
        """How many free blocks there are of each order, from 0 to `top_order`."""
        return np.bincount(self.free_order, minlength=self.top_order + 1)

    def within(self, first: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The free blocks that start from page `first` to before `end`, as offsets and orders.

        O(log blocks).
        """
        low = np.searchsorted(self.free_first, np.uint64(first))
        high = np.searchsorted(self.free_first, np.uint64(end - 1), side="right")
        offsets = (self.free_first[low:high] - np.uint64(first)).astype(np.int64)
        return offsets, self.free_order[low:high]
