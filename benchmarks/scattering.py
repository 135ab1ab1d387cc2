"""Allocations and frees that scatter free memory, and how much of it stays in blocks of 2 MiB.

Used by `fragmentation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.lowest import Lowest
from pagebuddy import BuddyAllocator
from pagebuddy.tools.bench.streams import NO_PAGE, ORDER, TOP_ORDER, empty_slots
from pagebuddy.tools.replaying.pairing import Pairing
from pagebuddy.tools.traces.trace import Trace

BLOCK = 512  # pages of 4 KiB in 2 MiB
POINTS = 16
# A mix may be fuller by as much.
SLACK = 0.005
REPLACED = 2_000_000
SEED = 0x9E37_79B9_7F4A_7C15


@dataclass(frozen=True)
class Workload:
    """Operations for a memory of so many pages: the order of a block to allocate, or -1 to free.

    The slot says which block is freed.
    """

    n_pages: int
    order: NDArray[np.int64]
    slot: NDArray[np.int64]

    @property
    def n_slots(self) -> int:
        """The number of blocks that are allocated at once, at most."""
        return int(self.slot.max()) + 1

    @property
    def operations(self) -> NDArray[np.uint64]:
        """The operations as `BuddyAllocator.run` takes them."""
        what = np.where(self.order < 0, 0, self.order + ORDER).astype(np.uint64)
        return what << np.uint64(32) | self.slot.astype(np.uint64)

    def parts(self) -> Iterator[slice]:
        """The operations in 16 equal parts."""
        stops = [len(self.slot) * i // POINTS for i in range(POINTS + 1)]
        return (slice(*each) for each in pairwise(stops))


def recorded(path: Path, n_pages: int) -> Workload:
    """The operations of a recorded trace of pages."""
    pairing = Pairing()
    operations = [pairing.pair(events) for events in Trace(path)]
    order = [np.where(each.is_alloc, each.size, -1) for each in operations]
    return Workload(n_pages, np.concatenate(order), np.concatenate([o.slot for o in operations]))


def mix(n_pages: int, full: float, turn: int) -> Workload:
    """Blocks of random orders until the memory is so full; then random ones are replaced by others.

    Each order is half as likely as the one below. A block that would make the memory too full gets the
    order of the one that it replaces.
    """
    numbers = _xorshift(SEED + turn)

    def geometric() -> int:
        bits = next(numbers) | 1 << TOP_ORDER
        return (bits & -bits).bit_length() - 1

    blocks: list[int] = []
    used = 0
    while used < full * n_pages:
        blocks.append(geometric())
        used += 1 << blocks[-1]
    order, slot = blocks.copy(), list(range(len(blocks)))
    most = (full + SLACK) * n_pages
    for _ in range(REPLACED):
        victim, new = next(numbers) % len(blocks), geometric()
        old = blocks[victim]
        if used - (1 << old) + (1 << new) > most:
            new = old
        used += (1 << new) - (1 << old)
        blocks[victim] = new
        order += (-1, new)
        slot += (victim, victim)
    return Workload(n_pages, np.array(order), np.array(slot))


def _xorshift(state: int) -> Iterator[int]:
    """Marsaglia's random numbers of 64 bits, "Xorshift RNGs", which are easy to have in C as well."""
    while True:
        state ^= state << 13 & (1 << 64) - 1
        state ^= state >> 7
        state ^= state << 17 & (1 << 64) - 1
        yield state


def share_in_blocks(first: NDArray[np.int64], order: NDArray[np.int64], n_pages: int) -> float:
    """The share of the free pages in free blocks of 2 MiB, if the blocks at these pages are used."""
    edges = np.zeros(n_pages + 1, np.int64)
    np.add.at(edges, first, 1)
    np.add.at(edges, first + (1 << order), -1)
    is_used = np.cumsum(edges[:-1]) > 0
    whole = int(np.count_nonzero(~is_used.reshape(-1, BLOCK).any(axis=1)))
    return whole * BLOCK / (n_pages - int(np.count_nonzero(is_used)))


def ours(workload: Workload) -> list[float]:
    """The share after each sixteenth of the operations, of pagebuddy's allocator."""
    buddy = BuddyAllocator(workload.n_pages)
    pages = empty_slots(workload.n_slots)
    order = np.zeros(workload.n_slots, np.int64)
    operations = workload.operations
    shares = []
    for part in workload.parts():
        buddy.run(operations[part], pages)
        what, slot = workload.order[part], workload.slot[part]
        # Of two allocations in a slot, numpy stores the order of the last.
        order[slot[what >= 0]] = what[what >= 0]
        live = pages != NO_PAGE
        shares.append(share_in_blocks(pages[live].astype(np.int64), order[live], workload.n_pages))
    return shares


def lowest(workload: Workload) -> list[float]:
    """The same of lowest-address-first allocation."""
    buddy = Lowest(workload.n_pages)
    blocks: dict[int, tuple[int, int]] = {}
    shares = []
    for part in workload.parts():
        steps = zip(workload.order[part].tolist(), workload.slot[part].tolist(), strict=True)
        for order, slot in steps:
            if order < 0:
                if slot in blocks:
                    buddy.free(*blocks.pop(slot))
            elif (page := buddy.alloc(order)) is not None:
                blocks[slot] = page, order
        live = np.array(list(blocks.values()), np.int64).reshape(-1, 2)
        shares.append(share_in_blocks(live[:, 0], live[:, 1], workload.n_pages))
    return shares
