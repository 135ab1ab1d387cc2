"""What a walk reads: little, where little is live."""

from __future__ import annotations

import pytest

from pagebuddy import PageRanges
from pagebuddy.allocator import BuddyAllocator


class CountingWords:
    """Words that count how often one is read."""

    def __init__(self, words):
        self.words = words
        self.reads = 0

    def __getitem__(self, index):
        self.reads += 1
        return self.words[index]

    def __setitem__(self, index, value):
        self.words[index] = value


@pytest.mark.parametrize("ranges", [PageRanges([(0, 5000)]), PageRanges([(3, 4000), (9000, 4000)])])
def test_what_is_aside_is_passed_over(ranges):
    buddy = BuddyAllocator(ranges, max_order=4)
    first = buddy.alloc(7)
    buddy.free(buddy.alloc(3900))
    buddy.links = CountingWords(buddy.links)
    assert list(buddy.spans()) == [(first, 7)]
    assert buddy.links.reads < 1500
