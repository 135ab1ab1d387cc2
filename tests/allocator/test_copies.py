"""Copying and pickling an allocator, and weak references to it."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import weakref

import pytest

from pagebuddy import PageRanges
from pagebuddy.testing import NaiveAllocator

RANGES = [(3, 50), (90, 61)]


def used(Buddy):
    """An allocator with live spans and pages that are cached, and its model."""
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
def test_a_copy_has_the_same_spans_and_is_independent(Buddy, copied):
    buddy, model = used(Buddy)
    other = copied(buddy)
    assert type(other) is Buddy
    assert (other.page_size, other.max_order) == (512, 5)
    assert bytes(other.metadata) == bytes(buddy.metadata)
    other.free(3)
    model.check(buddy)
    other.verify()


def test_a_copy_of_a_subclass_keeps_its_own_attributes(Buddy):
    class Named(Buddy):
        def __init__(self, name, n_pages):
            super().__init__(n_pages)
            self.name = name
            self.freed = []

        def free(self, page, **told):
            super().free(page, **told)
            self.freed.append(page)

    buddy = Named("frames", 64)
    buddy.free(buddy.alloc(5))
    buddy.alloc(5)
    other, deep = copy.copy(buddy), copy.deepcopy(buddy)
    for copied in (other, deep):
        assert type(copied) is Named
        assert (copied.name, copied.freed) == ("frames", [0])
        copied.free(0)
        copied.verify()
    assert list(buddy.spans()) == [(0, 5)]
    assert (buddy.freed, deep.freed) == ([0, 0], [0, 0])
    assert other.freed is buddy.freed


def test_a_weak_reference_does_not_keep_an_allocator_alive(Buddy):
    buddy = Buddy(64)
    gone = []
    reference = weakref.ref(buddy, gone.append)
    assert reference() is buddy
    del buddy
    assert reference() is None
    assert gone == [reference]


def test_a_pickle_can_be_loaded_by_the_other_engine(engine):
    """A machine may lack the compiled engine. The metadata has the same format for both engines."""
    pytest.importorskip("pagebuddy._compiled")
    program = """
import pickle, sys
import pagebuddy as pb

if len(sys.argv) == 1:
    buddy = pb.BuddyAllocator(64)
    buddy.alloc_at(7, 5)
    sys.stdout.buffer.write(pickle.dumps(buddy))
else:
    buddy = pickle.loads(bytes.fromhex(sys.argv[1]))
    print(pb.COMPILED, type(buddy) is pb.BuddyAllocator, list(buddy.spans()))
"""
    pure = engine == "uncompiled"

    def run(pure, *arguments):
        environment = os.environ | {"PAGEBUDDY_PURE": "1" if pure else "0"}
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=environment,
            capture_output=True,
            check=True,
        ).stdout

    taken_up = run(not pure, run(pure).hex()).decode()
    assert taken_up == f"{pure} True [(7, 5)]\n"
