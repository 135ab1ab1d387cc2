"""verify: break each invariant on purpose, and check that the error names it."""

from __future__ import annotations

import pytest

from pagebuddy import CorruptMetadata
from pagebuddy.allocator.refusals import INVARIANTS
from pagebuddy.core import words
from tests.allocator.geometries import geometry_of

N_PAGES = 256
RECORD = 1 << 63
G = words.GROUP_WORDS


def link(order, before, after):
    """Return the link of a group in the list of an order."""
    return words.in_list(order) | before << 28 | after


def page(number):
    """Return the node of a page."""
    return words.FIRST_NODE + number


def group(number):
    """Return a group as it is known in links."""
    return words.N_LISTS + number


class Sound:
    """Four groups: a span of 2 at 0, and free blocks of 62 pages, one group and two groups."""

    def __init__(self, allocator):
        self.buddy = allocator(N_PAGES)
        self.buddy.alloc_at(0, 2)
        self.buddy.verify()
        self.words = self.buddy.metadata.cast("Q")
        self.records = self.words[geometry_of(self.buddy).records_at :]
        self.groups = self.words[geometry_of(self.buddy).groups_at :]
        self.links = self.groups[words.G_LINK :: G]

    def change_bits(self, bits):
        """Change free bits of the first group, and their copy."""
        self.groups[G * group(0) + words.G_FREE] ^= bits
        self.groups[G * group(0) + words.G_COPY] ^= bits


def neighbour(sound):
    sound.links[group(0)] = link(5, 5, group(1))


def record_of_nothing(sound):
    sound.records[page(0)] = RECORD


def record_beyond_the_range(sound):
    sound.records[page(0)] = RECORD | 257 << 32


def lost_pages(sound):
    sound.records[page(0)] = RECORD | 1 << 32


def lost_free_page(sound):
    sound.change_bits(1 << 10)


def span_within_a_span(sound):
    sound.records[page(1)] = RECORD | 1 << 32


def free_page_within_a_span(sound):
    sound.change_bits(1 << 1)


def span_at_a_free_block(sound):
    sound.records[page(64)] = RECORD | 1 << 32
    sound.words[words.H_HIGH_WATER] = page(65)


def leftover_within_a_block(sound):
    sound.records[page(5)] = 5


def bits_unlike_their_copy(sound):
    sound.groups[G * group(0)] ^= 1


def bits_within_a_block(sound):
    sound.groups[G * group(1)] = sound.groups[G * group(1) + 1] = 1


def bits_of_a_list_head(sound):
    sound.groups[G * 3] = sound.groups[G * 3 + 1] = 1


def block_at_a_place_that_is_not_aligned(sound):
    """Make a block of groups 1 and 2, and one of group 3, of two blocks."""
    sound.links[6] = link(6, group(3), group(3))
    sound.links[group(3)] = link(6, 6, 6)
    sound.links[7] = link(7, group(1), group(1))
    sound.links[group(1)] = link(7, 7, 7)
    sound.links[group(2)] = 0


def block_beyond_the_range(sound):
    sound.links[7] = link(7, 7, 7)
    sound.links[8] = link(8, group(2), group(2))
    sound.links[group(2)] = link(8, 8, 8)
    sound.words[words.H_MASK] ^= 1 << 7 | 1 << 8


def link_of_a_group_in_no_list(sound):
    sound.links[group(3)] = 1


def group_in_a_lower_list(sound):
    sound.links[5] = link(5, 5, 5)
    sound.links[4] = link(4, group(0), group(0))
    sound.links[group(0)] = link(4, 4, 4)
    sound.words[words.H_MASK] ^= 1 << 5 | 1 << 4


def mask_of_an_empty_list(sound):
    sound.words[words.H_MASK] |= 1


def mask_without_a_filled_list(sound):
    sound.words[words.H_MASK] ^= 1 << 5


def mask_above_the_top(sound):
    sound.words[words.H_MASK] |= 1 << 20


def mask_of_no_list(sound):
    sound.words[words.H_MASK] |= 1 << 40


def number_of_waiting_spans(sound):
    sound.records[0] = 1


def more_waiting_spans_than_places(sound):
    sound.records[0] = words.twice(8)


def waiting_span_that_is_live(sound):
    sound.records[0] = words.twice(1)
    sound.records[1] = words.twice(page(0))


def waiting_span_that_is_not_aligned(sound):
    sound.records[words.WAIT_WORDS] = words.twice(1)
    sound.records[words.WAIT_WORDS + 1] = words.twice(page(5))


def waiting_span_that_is_listed(sound):
    sound.records[0] = words.twice(1)
    sound.records[1] = words.twice(page(5))


def waiting_span_of_no_page(sound):
    sound.records[0] = words.twice(1)
    sound.records[1] = words.twice(page(N_PAGES))


def high_water(sound):
    sound.words[words.H_HIGH_WATER] = page(1)


def high_water_below_the_first_page(sound):
    sound.words[words.H_HIGH_WATER] = page(0) - 1


def high_water_above_the_last_page(sound):
    sound.words[words.H_HIGH_WATER] = page(N_PAGES) + 1


def aside(sound):
    sound.words[words.H_ASIDE] = 3 << 32 | page(6)


def front(sound):
    sound.words[words.H_FRONT_COPY] = 3 << 32 | page(6)


def aside_that_is_live(sound):
    sound.words[words.H_ASIDE] = sound.words[words.H_ASIDE_COPY] = 2 << 32 | page(0)


def aside_that_is_listed(sound):
    sound.words[words.H_ASIDE] = sound.words[words.H_ASIDE_COPY] = 3 << 32 | page(6)


def front_beyond_the_range(sound):
    run = 2 << 32 | page(N_PAGES - 1)
    sound.words[words.H_FRONT] = sound.words[words.H_FRONT_COPY] = run


def front_of_no_pages(sound):
    sound.words[words.H_FRONT] = sound.words[words.H_FRONT_COPY] = page(6)


def buddies_side_by_side(sound):
    """Split the block of two groups. Nothing else is wrong."""
    sound.links[7] = link(7, 7, 7)
    sound.links[6] = link(6, group(3), group(1))
    sound.links[group(1)] = link(6, 6, group(2))
    sound.links[group(2)] = link(6, group(1), group(3))
    sound.links[group(3)] = link(6, group(2), 6)
    sound.words[words.H_MASK] ^= 1 << 7


def list_through_another_list(sound):
    """Join the lists of orders 6 and 7 into one, with correct back links."""
    sound.links[6] = link(6, group(2), group(1))
    sound.links[group(1)] = link(6, 6, 7)
    sound.links[7] = link(7, group(1), group(2))
    sound.links[group(2)] = link(7, 7, 6)


def list_above_the_top(sound):
    """Move the block of two groups to the list of an order that the memory is too small for."""
    sound.links[7] = link(7, 7, 7)
    sound.links[20] = link(20, group(2), group(2))
    sound.links[group(2)] = link(20, 20, 20)
    sound.words[words.H_MASK] ^= 1 << 7 | 1 << 20


def group_that_its_list_leaves_out(sound):
    sound.links[5] = link(5, 5, 5)
    sound.words[words.H_MASK] ^= 1 << 5


DAMAGES = {
    neighbour: words.F_NEIGHBOURS,
    record_of_nothing: words.F_RECORD,
    record_beyond_the_range: words.F_RECORD,
    lost_pages: words.F_FREE,
    lost_free_page: words.F_FREE,
    span_within_a_span: words.F_OVERLAP,
    free_page_within_a_span: words.F_OVERLAP,
    span_at_a_free_block: words.F_OVERLAP,
    leftover_within_a_block: words.F_CLEAN,
    bits_unlike_their_copy: words.F_GROUP,
    bits_within_a_block: words.F_GROUP,
    block_at_a_place_that_is_not_aligned: words.F_GROUP,
    block_beyond_the_range: words.F_GROUP,
    link_of_a_group_in_no_list: words.F_GROUP,
    group_in_a_lower_list: words.F_GROUP,
    mask_of_an_empty_list: words.F_MASK,
    mask_without_a_filled_list: words.F_MASK,
    mask_above_the_top: words.F_MASK,
    mask_of_no_list: words.F_MASK,
    number_of_waiting_spans: words.F_WAIT,
    more_waiting_spans_than_places: words.F_WAIT,
    waiting_span_that_is_live: words.F_WAIT,
    waiting_span_that_is_not_aligned: words.F_WAIT,
    waiting_span_that_is_listed: words.F_GROUP,
    waiting_span_of_no_page: words.F_WAIT,
    high_water: words.F_HIGH_WATER,
    high_water_below_the_first_page: words.F_HIGH_WATER,
    high_water_above_the_last_page: words.F_HIGH_WATER,
    aside: words.F_ASIDE,
    aside_that_is_live: words.F_ASIDE,
    aside_that_is_listed: words.F_GROUP,
    front: words.F_ASIDE,
    front_beyond_the_range: words.F_ASIDE,
    front_of_no_pages: words.F_ASIDE,
    buddies_side_by_side: words.F_MERGED,
    list_through_another_list: words.F_LIST,
    bits_of_a_list_head: words.F_LIST,
    list_above_the_top: words.F_LIST,
    group_that_its_list_leaves_out: words.F_LIST,
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
    sound.links[5] = link(5, 5, 5)
    with pytest.raises(CorruptMetadata) as caught:
        sound.buddy.alloc(2)
    assert caught.value.invariant == INVARIANTS[words.F_HEAD]


def test_a_block_that_ends_beyond_its_range_is_found(Buddy):
    buddy = Buddy(200)
    groups = buddy.metadata.cast("Q")[geometry_of(buddy).groups_at :]
    links = groups[words.G_LINK :: G]
    # The last 8 pages seem to be a whole group.
    assert words.list_of(links[group(3)]) == 3 + 1
    groups[G * group(3) + words.G_FREE] = groups[G * group(3) + words.G_COPY] = 0
    links[3] = link(3, 3, 3)
    links[6] = link(6, group(3), group(2))
    links[group(2)] = link(6, 6, group(3))
    links[group(3)] = link(6, group(2), 6)
    buddy.metadata.cast("Q")[words.H_MASK] ^= 1 << 3
    with pytest.raises(CorruptMetadata) as caught:
        buddy.verify()
    assert caught.value.invariant == INVARIANTS[words.F_GROUP]
    assert caught.value.page == 192


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
        assert sound.buddy.alloc(6) == 8


@pytest.mark.parametrize("page", [3, 9], ids=["before a free page", "after the last free page"])
def test_a_used_page_that_both_copies_of_the_free_bits_call_free_is_found(Buddy, page):
    buddy = Buddy(64, max_order=5)
    pages = buddy.alloc_many(0, 64)
    buddy.free(pages[5])
    buddy.verify()  # settles
    group = geometry_of(buddy).groups_at + words.GROUP_WORDS * words.N_LISTS
    stored = buddy.metadata.cast("Q")
    stored[group + words.G_FREE] |= 1 << page
    stored[group + words.G_COPY] |= 1 << page
    with pytest.raises(CorruptMetadata):
        buddy.verify()
