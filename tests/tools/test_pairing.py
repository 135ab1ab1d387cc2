"""Which free belongs to which allocation: whole stretches at once against event by event."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy.tools.events import Events
from pagebuddy.tools.pairing import Pairing

EVENTS = st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3)), max_size=60)


def as_events(rows):
    kinds, pfns, orders = zip(*rows, strict=True) if rows else ((), (), ())
    return Events(np.array(kinds, bool), np.array(pfns, "u8"), np.array(orders, "u1"))


def one_by_one(rows):
    """Each operation as (is it an allocation, order, which operation allocated), and the counts."""
    live, operations = {}, []
    skipped_allocs = skipped_frees = differing = 0
    for is_alloc, pfn, order in rows:
        if is_alloc and pfn in live:
            skipped_allocs += 1
        elif is_alloc:
            live[pfn] = (len(operations), order)
            operations.append((True, order, len(operations)))
        elif pfn not in live:
            skipped_frees += 1
        else:
            alloc, own = live.pop(pfn)
            differing += own != order
            operations.append((False, own, alloc))
    return operations, (skipped_allocs, skipped_frees, differing)


@given(EVENTS, st.integers(1, 60))
def test_as_event_by_event(rows, length):
    pairing = Pairing()
    operations, owner = [], {}
    for start in range(0, len(rows), length):
        base = len(operations)
        taken = set()
        pieces = (part.tolist() for part in pairing.pair(as_events(rows[start : start + length])))
        for is_alloc, slot, order, alloc_at in zip(*pieces, strict=True):
            here = len(operations)
            if is_alloc:
                assert slot not in owner, "the slot has a span"
                assert slot not in taken, "the slot had another span in this stretch"
                assert slot < pairing.n_slots
                taken.add(slot)
                owner[slot] = here
                assert base + alloc_at == here
            else:
                alloc = owner.pop(slot)
                assert alloc == base + alloc_at if alloc_at >= 0 else alloc < base
                here = alloc
            operations.append((is_alloc, order, here))
    counts = (pairing.skipped_allocs, pairing.skipped_frees, pairing.differing_orders)
    assert (operations, counts) == one_by_one(rows)


def test_slots_are_used_again():
    pairing = Pairing()
    for _ in range(50):
        pairing.pair(as_events([(True, 1, 0), (True, 2, 0), (False, 1, 0), (False, 2, 0)]))
    assert pairing.n_slots == 2


@pytest.mark.parametrize(
    ("row", "what"), [((True, 5, 0), 2**31), ((True, 5, 9), 2**31 + 9), ((False, 5, 9), 0)]
)
def test_encoding(row, what):
    pairing = Pairing()
    pairing.pair(as_events([(True, 4, 0)] + ([] if row[0] else [(True, *row[1:])])))
    assert pairing.pair(as_events([row])).encoded().tolist() == [what << 32 | 1]
