"""Prepared operations for `BuddyAllocator.run`: mixes that keep a memory filled to a level."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

NONE = (1 << 64) - 1
BLOCK = 1 << 31


def pages_of(what: int) -> int:
    """Return the number of pages that an operation allocates; 0 if it frees."""
    return 1 << what - BLOCK if what >= BLOCK else what


class Mix(NamedTuple):
    """What is allocated, in which order it is freed, and how full the memory is."""

    what: Callable[[Random], int]
    level: float = 0.8
    lifo: bool = False


def of_lifo(chance: Random) -> int:
    return chance.choice([1, 1, 1, 2, 3, 64, 100])


def of_mixed_orders(chance: Random) -> int:
    order = chance.choice([0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 9])
    return BLOCK + order if chance.random() < 0.5 else 1 << order


def of_exact_spans(chance: Random) -> int:
    return chance.choice([3, 5, 6, 7, 12, 33, 63, 65, 100, 127, chance.randint(1, 200)])


def of_all(chance: Random) -> int:
    return chance.choice([of_lifo, of_mixed_orders, of_exact_spans])(chance)


MIXES = {
    "lifo": Mix(of_lifo, lifo=True),
    "orders, 50 % full": Mix(of_mixed_orders, 0.5),
    "orders, 80 % full": Mix(of_mixed_orders, 0.8),
    "orders, 95 % full": Mix(of_mixed_orders, 0.95),
    "exact spans, 80 % full": Mix(of_exact_spans, 0.8),
    "exact spans, 95 % full": Mix(of_exact_spans, 0.95),
    "all, 90 % full": Mix(of_all, 0.9),
}


class Slots:
    """The slots of `run`: the first page of each span, and how many pages it has.

    `stack` has the filled slots, in the order in which they were filled.
    """

    def __init__(self, count: int) -> None:
        self.pages = array("Q", [NONE] * count)
        self.sizes = [0] * count
        self.stack: list[int] = []
        self.empty = list(range(count))

    def spans(self) -> dict[int, int]:
        """Return the number of pages of each span, by its first page."""
        return {
            page: n for page, n in zip(self.pages, self.sizes, strict=True) if n and page != NONE
        }

    def drop_failures(self) -> int:
        """Empty the slots whose allocation failed, and return how many there were."""
        failed = {slot for slot in self.stack if self.pages[slot] == NONE}
        self.stack = [slot for slot in self.stack if slot not in failed]
        self.empty.extend(sorted(failed))
        for slot in failed:
            self.sizes[slot] = 0
        return len(failed)

    def prepare(self, mix: Mix, chance: Random, n_pages: int, count: int) -> array[int]:
        """Return a list of operations, as if each of them would succeed."""
        ops = array("Q")
        used = sum(self.sizes)
        rising = 0.5
        while len(ops) < count:
            if mix.lifo and chance.random() < 0.05:
                rising = chance.choice([0.2, 0.5, 0.8])
            what = mix.what(chance)
            fills = used + pages_of(what) <= mix.level * n_pages
            if mix.lifo:
                fills = fills and chance.random() < rising
            if self.empty and (fills or not self.stack):
                slot = self.empty.pop(chance.randrange(len(self.empty)))
                self.stack.append(slot)
                self.sizes[slot] = pages_of(what)
                used += pages_of(what)
            elif self.stack:
                what = 0
                slot = self.stack.pop(-1 if mix.lifo else chance.randrange(len(self.stack)))
                used -= self.sizes[slot]
                self.sizes[slot] = 0
                self.empty.append(slot)
            ops.append(what << 32 | slot)
        return ops
