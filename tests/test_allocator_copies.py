"""An allocator copied, pickled and referred to weakly."""

from __future__ import annotations

import copy
import pickle
import weakref

import pytest

from pagebuddy import PageRanges
from pagebuddy.testing import NaiveAllocator

RANGES = [(3, 50), (90, 61)]


def used(Buddy):
    """An allocator with live spans, one aside, and the model of it."""
    buddy, model = Buddy(PageRanges(RANGES), max_order=5, page_size=512), NaiveAllocator(RANGES, 5)
    for page, n_pages in ((3, 5), (20, 7), (100, 1)):
        buddy.alloc_at(page, n_pages)
        model.take(page, n_pages)
    buddy.free(20)
    model.give_back(20)
    return buddy, model


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda buddy: pickle.loads(pickle.dumps(buddy))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_has_the_same_spans_and_goes_its_own_way(Buddy, copied):
    buddy, model = used(Buddy)
    other = copied(buddy)
    assert type(other) is Buddy
    assert (other.page_size, other.max_order) == (512, 5)
    assert bytes(other.metadata) == bytes(buddy.metadata)
    other.free(3)
    model.check(buddy)
    other.verify()


def test_a_weak_reference_does_not_keep_it(Buddy):
    buddy = Buddy(64)
    gone = []
    reference = weakref.ref(buddy, gone.append)
    assert reference() is buddy
    del buddy
    assert reference() is None
    assert gone == [reference]
