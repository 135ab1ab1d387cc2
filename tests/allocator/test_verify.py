"""verify: break each invariant on purpose, and check that the error names it."""

from __future__ import annotations

import pytest

from pagebuddy import CorruptMetadata
from pagebuddy.allocator.refusals import INVARIANTS
from pagebuddy.core import words

N_PAGES = 8
BITS_AT = words.HEADER_WORDS + words.TABLE_WORDS
RECORD = 1 << 63


def link(before, after):
    return before << 32 | after


def page(number):
    """Return the node of a page."""
    return words.N_HEADS + number


class Sound:
    """Eight pages: a span of 2 at 0, a free block of order 1 at 2, and one of order 2 at 4."""

    def __init__(self, allocator):
        self.buddy = allocator(N_PAGES, max_order=2)
        self.buddy.alloc_at(0, 2)
        self.buddy.verify()
        self.words = self.buddy.metadata.cast("Q")
        self.links = self.words[-(words.N_HEADS + N_PAGES) :]


def neighbour(sound):
    sound.links[page(2)] = link(1, page(4))


def record_of_nothing(sound):
    sound.links[page(0)] = RECORD


def record_beyond_the_range(sound):
    sound.links[page(0)] = RECORD | 9 << 32


def lost_pages(sound):
    sound.links[page(0)] = RECORD | 1 << 32


def span_within_a_span(sound):
    sound.links[page(1)] = RECORD | 1 << 32


def leftover_within_a_block(sound):
    sound.links[page(5)] = 5


def bit_without_a_block(sound):
    sound.words[BITS_AT] |= 1 << 1


def block_without_a_bit(sound):
    sound.words[BITS_AT] &= ~(1 << (2 * 2 + 2))


def mask_of_an_empty_list(sound):
    sound.words[words.H_MASK] |= 1


def mask_above_the_top(sound):
    sound.words[words.H_MASK] |= 1 << 7


def count(sound):
    sound.words[words.H_COUNTS + 1] += 1


def count_above_the_top(sound):
    sound.words[words.H_COUNTS + 7] = 1


def high_water(sound):
    sound.words[words.H_HIGH_WATER] = page(1)


def aside(sound):
    sound.words[words.H_ASIDE] = 3 << 32 | page(6)


def buddies_side_by_side(sound):
    """Split the block of order 2 at 4 into two of order 1. Nothing else is wrong."""
    sound.links[2] = link(2, 2)
    sound.links[1] = link(page(6), page(2))
    sound.links[page(2)] = link(1, page(4))
    sound.links[page(4)] = link(page(2), page(6))
    sound.links[page(6)] = link(page(4), 1)
    sound.words[BITS_AT] = 1 << (2 * 2 + 2) | 1 << (2 * 4 + 2) | 1 << (2 * 6 + 2)
    sound.words[words.H_MASK] = 1 << 1
    sound.words[words.H_COUNTS + 1] = 3
    sound.words[words.H_COUNTS + 2] = 0


def list_through_another_list(sound):
    """Join the lists of orders 1 and 2 into one, with correct back links."""
    sound.links[1] = link(2, page(2))
    sound.links[page(2)] = link(1, 2)
    sound.links[2] = link(page(2), page(4))
    sound.links[page(4)] = link(2, 1)
    sound.links[1] = link(page(4), page(2))


DAMAGES = {
    neighbour: words.F_NEIGHBOURS,
    record_of_nothing: words.F_RECORD,
    record_beyond_the_range: words.F_RECORD,
    lost_pages: words.F_FREE,
    span_within_a_span: words.F_OVERLAP,
    leftover_within_a_block: words.F_CLEAN,
    bit_without_a_block: words.F_BIT,
    block_without_a_bit: words.F_BIT,
    mask_of_an_empty_list: words.F_MASK,
    mask_above_the_top: words.F_MASK,
    count: words.F_COUNT,
    count_above_the_top: words.F_COUNT,
    high_water: words.F_HIGH_WATER,
    aside: words.F_ASIDE,
    buddies_side_by_side: words.F_MERGED,
    list_through_another_list: words.F_LIST,
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_verify_names_the_broken_invariant(Buddy, damage):
    sound = Sound(Buddy)
    damage(sound)
    with pytest.raises(CorruptMetadata) as caught:
        sound.buddy.verify()
    assert caught.value.invariant == INVARIANTS[DAMAGES[damage]]
    assert caught.value.invariant in str(caught.value)


def test_every_invariant_of_verify_is_broken_by_a_test():
    only_operations = {words.F_HEAD}
    assert set(INVARIANTS) - only_operations == set(DAMAGES.values())


def test_a_list_that_starts_with_no_page_is_named_by_the_operation(Buddy):
    sound = Sound(Buddy)
    sound.links[1] = link(1, 1)
    with pytest.raises(CorruptMetadata) as caught:
        sound.buddy.alloc(2)
    assert caught.value.invariant == INVARIANTS[words.F_HEAD]


def test_verify_finds_any_change_of_the_geometry(Buddy):
    sound = Sound(Buddy)
    for index in range(words.H_CHECKSUM + 1):
        sound.words[index] ^= 1
        with pytest.raises(CorruptMetadata):
            sound.buddy.verify()
        sound.words[index] ^= 1
    sound.buddy.verify()


def test_recovery_repairs_each_broken_invariant(Buddy):
    """Everything else is rebuilt from the records, and the allocator continues."""
    for damage in DAMAGES:
        if DAMAGES[damage] in (words.F_RECORD, words.F_OVERLAP, words.F_FREE):
            continue
        sound = Sound(Buddy)
        damage(sound)
        sound.buddy.recover()
        sound.buddy.verify()
        assert list(sound.buddy.spans()) == [(0, 2)]
        assert sound.buddy.alloc(6) == 2
