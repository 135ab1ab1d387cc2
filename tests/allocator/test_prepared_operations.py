"""`run` with prepared operations: live spans and free pages are those of a model of page sets.

An allocation may fail only if the model has no free run, or no aligned block, that is large enough.
"""

from __future__ import annotations

from array import array
from random import Random

import pytest

from pagebuddy import PageRanges
from pagebuddy.testing import NaiveAllocator
from tests.allocator.mixes import BLOCK, MIXES, NONE, Slots, pages_of

MEMORIES = {
    "1 page": [(5, 1)],
    "65 pages": [(63, 65)],
    "130 pages": [(0, 130)],
    "700 pages": [(64, 700)],
    "three ranges": [(3, 200), (1000, 130), (5000, 64)],
    "twelve ranges": [(100 * i, 5 + 9 * i) for i in range(12)],
}
BATCH = 200


def fits(model, what):
    """Return whether the model has pages for an operation."""
    if what < BLOCK:
        return model.fits(what)
    order = what - BLOCK
    return order <= model.max_order and model.n_blocks(order) > 0


def run_singly(buddy, model, ops, slots):
    """Run each operation by itself, and compare it with the model."""
    for op in ops:
        what, slot = op >> 32, op & 0xFFFF_FFFF
        before = slots.pages[slot]
        possible = fits(model, what) if what else True
        failed = buddy.run(array("Q", [op]), slots.pages)
        assert failed == (not possible)
        if what == 0 and before != NONE:
            model.give_back(before)
        elif what and possible:
            model.take(slots.pages[slot], pages_of(what))


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("memory", MEMORIES)
def test_prepared_operations_allocate_the_pages_of_the_model(Buddy, engine, memory, mix, effort):
    ranges = MEMORIES[memory]
    n_pages = sum(n for _, n in ranges)
    n_batches = effort.pick(2, 60) if engine == "compiled" else effort.pick(2, 12)
    chance = Random(effort.seed)
    for max_order in chance.sample([None, 3], effort.pick(1, 2, 2)):
        buddy = Buddy(PageRanges(ranges), max_order=max_order)
        slots = Slots(n_pages)
        for i in range(n_batches):
            ops = slots.prepare(MIXES[mix], chance, n_pages, BATCH)
            model = NaiveAllocator(ranges, max_order)
            if i % 2:
                for page, n in buddy.spans():
                    model.take(page, n)
                run_singly(buddy, model, ops, slots)
            else:
                buddy.run(ops, slots.pages)
                for page, n in slots.spans().items():
                    model.take(page, n)
            model.check_spans(buddy)
            if chance.random() < 0.3:
                model.check(buddy)
            slots.drop_failures()
        buddy.run(range(n_pages), slots.pages)
        NaiveAllocator(ranges, max_order).check(buddy)
