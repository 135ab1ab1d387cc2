"""Listing what an arena's words contain."""

from __future__ import annotations

import pytest

from pagebuddy.sharing.joining.listing import holders_in
from pagebuddy.sharing.words import hold_bit, hold_word


@pytest.mark.parametrize("n_slots", [48, 112, 176])
def test_each_holder_is_listed_by_its_bit(n_slots):
    n_words = hold_word(n_slots - 1) + 1
    for slots in [(), *((slot,) for slot in range(1, n_slots)), tuple(range(1, n_slots, 3))]:
        words = [0] * n_words
        for slot in slots:
            words[hold_word(slot)] |= hold_bit(slot)
        assert tuple(holders_in(words, n_slots)) == slots


def test_keeping_and_tickets_are_not_listed_as_holders():
    assert list(holders_in([0xFFFF << 48 | 1], 48)) == []
    assert list(holders_in([0b111], 2)) == [1]
