"""Which free belongs to which allocation: whole stretches at once against event by event."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pagebuddy.tools.replaying.pairing import Pairing
from pagebuddy.tools.traces.events import UNTOLD, Events

KEYS, SIZES = st.integers(0, 6), st.integers(0, 3)
ALLOCS = st.tuples(st.just(True), KEYS, SIZES)
FREES = st.tuples(st.just(False), KEYS, SIZES | st.just(UNTOLD))
EVENTS = st.lists(ALLOCS | FREES, max_size=60)


def as_events(rows):
    kinds, keys, sizes = zip(*rows, strict=True) if rows else ((), (), ())
    return Events(np.array(kinds, bool), np.array(keys, "u8"), np.array(sizes, np.int64))


def one_by_one(rows):
    """Each operation as (is it an allocation, size, which operation allocated), and the counts."""
    live, operations = {}, []
    skipped_allocs = skipped_frees = differing = 0
    for is_alloc, key, size in rows:
        if is_alloc and key in live:
            skipped_allocs += 1
        elif is_alloc:
            live[key] = (len(operations), size)
            operations.append((True, size, len(operations)))
        elif key not in live:
            skipped_frees += 1
        else:
            alloc, own = live.pop(key)
            differing += size not in (own, UNTOLD)
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
        for is_alloc, slot, size, alloc_at in zip(*pieces, strict=True):
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
            operations.append((is_alloc, size, here))
    counts = (pairing.skipped_allocs, pairing.skipped_frees, pairing.differing_sizes)
    assert (operations, counts) == one_by_one(rows)


def test_slots_are_used_again():
    pairing = Pairing()
    for _ in range(50):
        pairing.pair(as_events([(True, 1, 0), (True, 2, 0), (False, 1, 0), (False, 2, 0)]))
    assert pairing.n_slots == 2
