"""Random calls on the state machine of an allocator, in memories that are nearly full.

Without Hypothesis a million calls take minutes; it makes a thousand calls a second, few of them in a
full memory. A failure is repeated by its seed, with this file as a script:

    python -m tests.testing.driver MODULE FIRST_SEED CALLS
"""

from __future__ import annotations

import importlib
import sys
from random import Random
from typing import Any

from pagebuddy.testing.machine import machine_for
from pagebuddy.testing.strategies import TOP

ROUND = 1000


def tight_ranges(chance: Random) -> list[tuple[int, int]]:
    """Return page ranges of few pages, some of them whole groups of 64 pages."""
    lengths = [
        chance.choice([1, 5, 63, 64, 65, 128, chance.randint(1, 200)])
        for _ in range(chance.choice([1, 1, 2, 3]))
    ]
    gaps = [chance.choice([0, 1, 64, 1000]) for _ in lengths]
    extent = sum(lengths) + sum(gaps)
    page = chance.choice([0, 1, 63, (1 << 32) - 33, (1 << 63) - 7, TOP - extent])
    ranges = []
    for gap, n in zip(gaps, lengths, strict=True):
        ranges.append((page + gap, n))
        page += gap + n
    return ranges


class Driver:
    """Calls the rules of one state machine."""

    def __init__(self, machine: Any, chance: Random) -> None:
        self.machine = machine
        self.chance = chance
        machine.construct(
            ranges=tight_ranges(chance),
            max_order=chance.choice([None, None, 0, 3, 7, 31]),
            place=chance.choice(["own", "own", "buffer", "memory"]),
        )

    def run(self) -> None:
        """Make one round of calls, and compare at its end."""
        for _ in range(ROUND):
            self.call()
        self.machine.same_spans()
        self.machine.teardown()

    def call(self) -> None:
        """Make one call. The memory fills up to a tenth, then it is about as full as before."""
        model = self.machine.model
        filling = len(model.free) * 10 > len(model.pages)
        if self.chance.random() < 0.03:
            self.look()
        elif model.spans and self.chance.random() < (0.25 if filling else 0.55):
            self.give()
        else:
            self.take()

    def length(self) -> int:
        """Return a number of pages, mostly one that can be allocated."""
        chance = self.chance
        lengths = [
            1,
            1,
            1,
            2,
            2,
            3,
            4,
            8,
            16,
            32,
            64,
            chance.randint(1, 12),
            chance.randint(1, 100),
        ]
        n_pages = chance.choice(lengths)
        if not self.machine.model.fits(n_pages) and chance.random() < 0.8:
            n_pages = chance.choice(lengths[:6])
        return n_pages

    def take(self) -> None:
        """Allocate, in one of the ways."""
        chance, machine = self.chance, self.machine
        way = chance.choices(["alloc", "order", "many", "at", "window"], [12, 4, 2, 2, 2])[0]
        if way == "alloc":
            machine.alloc(n_pages=self.length())
        elif way == "order":
            machine.alloc_order(order=chance.choice([0, 1, 2, 3, 4, 5, 6, 7, 10]))
        elif way == "many":
            machine.alloc_many(order=chance.choice([0, 0, 1, 2, 3]), count=chance.randrange(21))
        elif way == "at":
            machine.alloc_at(offset=chance.randint(-2, 400), n_pages=self.length())
        else:
            window = sorted(chance.choices(range(331), k=2))
            machine.alloc_in_window(
                n_pages=self.length(),
                align=chance.choice([1, 2, 8, 64, 1 << 40]),
                window=chance.choice([None, tuple(window)]),
            )

    def give(self) -> None:
        """Free or resize, in one of the ways."""
        chance, machine = self.chance, self.machine
        way = chance.choices(["free", "resize", "many", "walk"], [80, 20, 4, 1])[0]
        pick = chance.randrange(1 << 16)
        if way == "free":
            machine.free(pick=pick, told=chance.random() < 0.5)
        elif way == "resize":
            machine.resize(pick=pick, n_pages=self.length())
        elif way == "many":
            machine.free_many(picks={pick + i for i in range(chance.randrange(20))})
        else:
            machine.free_while_walking(pick=pick, every=chance.randint(1, 3))

    def look(self) -> None:
        """Make a call that changes no span."""
        chance, machine = self.chance, self.machine
        ways = ["move_to_a_copy", "recover", "settle", "same_spans", "free_wrongly"]
        if len(machine.buddies) < 3:
            ways.append("attach_beside")
        way = chance.choice(ways)
        if way == "free_wrongly":
            machine.free_wrongly(offset=chance.randint(-2, 400))
        else:
            getattr(machine, way)()


def drive(allocator: Any, first_seed: int, calls: int) -> None:
    """Make at least so many calls, each round of them with a seed of its own."""
    machine = machine_for(allocator)
    for seed in range(first_seed, first_seed + -(-calls // ROUND)):
        try:
            Driver(machine(), Random(seed)).run()
        except BaseException:
            print(f"the seed is {seed}", file=sys.stderr, flush=True)
            raise


if __name__ == "__main__":
    drive(importlib.import_module(sys.argv[1]).BuddyAllocator, *map(int, sys.argv[2:]))
