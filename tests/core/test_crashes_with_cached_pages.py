"""A process may die before any store while pages wait, are aside or in front: none is lost.

Recovery must find exactly the live spans whose records were stored, and every invariant must hold.
"""

from __future__ import annotations

from itertools import pairwise, product
from random import Random
from typing import NamedTuple

import pytest

from pagebuddy import OutOfPages, PageRanges
from pagebuddy.allocator.buddy import BuddyAllocator
from pagebuddy.core import words
from pagebuddy.testing.crash import crash_points
from tests.core.recovering import spans_of

RANGES = PageRanges([(64, 448), (1020, 75)])
SMALL = (1, 2, 4, 8)


class Cached(NamedTuple):
    """How many spans of each small size wait, and whether there are a front and a span aside."""

    waiting: int
    front: bool
    aside: bool

    def __str__(self):
        waiting = {0: "none", 3: "some", 7: "all"}[self.waiting]
        return f"{waiting} waiting{' front' * self.front}{' aside' * self.aside}"


STATES = [Cached(*state) for state in product((7, 3, 0), (True, False), (True, False))]


def allocator_with(cached):
    """Return an allocator in a state, and the first pages of live spans by their number of pages."""
    buddy = BuddyAllocator(RANGES)
    live = {n: [buddy.alloc(n)] for n in (64, 100)}
    live[3] = [buddy.alloc(3), buddy.alloc(3)]
    for n in SMALL:
        live[n] = [buddy.alloc(n) for _ in range(8)]
    # Fill the groups in use, so that what is freed in them waits.
    while buddy.words[words.H_FRONT] or buddy.words[words.H_MASK] & (words.GROUP_PAGES - 1):
        live[1].append(buddy.alloc(1))
    if cached.front:
        live[1].append(buddy.alloc(1))
    for n in SMALL:
        for _ in range(cached.waiting):
            buddy.free(live[n].pop(0))
    if cached.aside:
        buddy.free(live[3].pop())
    return buddy, live


def state_of(buddy):
    """Return the state of an allocator."""
    waiting = {words.low(buddy.records[words.WAIT_WORDS * (n.bit_length() - 1)]) for n in SMALL}
    assert len(waiting) == 1
    front, aside = (buddy.words[at] != 0 for at in (words.H_FRONT, words.H_ASIDE))
    return Cached(waiting.pop(), front, aside)


@pytest.mark.parametrize("cached", STATES, ids=str)
def test_the_states_are_what_they_are_called(cached):
    assert state_of(allocator_with(cached)[0]) == cached


def alloc(n, **limits):
    return lambda buddy, live: buddy.alloc(n, **limits)


def free(n):
    return lambda buddy, live: buddy.free(live[n][-1])


def free_some(buddy, live):
    buddy.free_many([live[n][-1] for n in (64, 1, 3, 2, 100, 8)])


def resize(n, to):
    return lambda buddy, live: buddy.resize(live[n][-1], to)


def alloc_the_first_free(n):
    """Allocate given pages: the first free ones, which wait if any do."""

    def act(buddy, live):
        copy = buddy.attach(bytearray(buddy.metadata))
        buddy.alloc_at(next(page for page, order in copy.free_blocks() if 1 << order >= n), n)

    return act


def alloc_too_much(buddy, live):
    with pytest.raises(OutOfPages):
        buddy.alloc(300)


ONE = {
    **{f"alloc {n}": alloc(n) for n in (1, 2, 3, 8, 64, 100)},
    **{f"free {n}": free(n) for n in (1, 2, 3, 8, 64, 100)},
    "alloc aligned": alloc(5, align=16),
    "alloc in a window": alloc(2, below=512),
    "alloc_order 6": lambda buddy, live: buddy.alloc_order(6),
    "alloc_at 1": alloc_the_first_free(1),
    "alloc_at 10": alloc_the_first_free(10),
    "grow the last": resize(1, 2),
    "shrink 100": resize(100, 70),
    "shrink 64": resize(64, 1),
    "alloc too much": alloc_too_much,
    "stats": lambda buddy, live: buddy.stats(),
    "recover": lambda buddy, live: buddy.recover(),
}
MANY = {
    "alloc_many of 1": lambda buddy, live: buddy.alloc_many(0, 10),
    "alloc_many of 4": lambda buddy, live: buddy.alloc_many(2, 5),
    "free_many": free_some,
}


def stored_spans(metadata):
    """Read the records, which are the source of truth, without the engine."""
    buddy = BuddyAllocator.attach(bytearray(metadata))
    found, node = set(), words.FIRST_NODE
    for first, n in RANGES:
        for page in range(first, first + n):
            word = buddy.records[node]
            if words.is_live(word):
                found.add((page, words.pages_in(word), words.low(word)))
            node += 1
    return found


def crash_everywhere(cached, name):
    """Recover after each store of an operation; return how many stores there were."""
    start, live = allocator_with(cached)
    act = {**ONE, **MANY}[name]
    points = crash_points(
        bytes(start.metadata), lambda buddy: act(buddy, live), BuddyAllocator.attach
    )
    found = [spans_of(point) for point in points]
    assert found == [stored_spans(point) for point in points], (str(cached), name)
    commits = [before ^ after for before, after in pairwise(found) if before != after]
    assert all(len(changed) in (1, 2) for changed in commits), "a store commits one span"
    assert name in MANY or len(commits) <= 1, "one store commits"
    return len(points)


# They settle, so they have a hundred stores and more.
LONG = [
    name
    for name in [*ONE, *MANY]
    if name in MANY
    or name.startswith(("alloc_at", "alloc in", "alloc too", "grow", "stats", "recover"))
]


def test_a_crash_at_any_store_of_some_operations(effort):
    chance = Random(effort.seed)
    names = [name for name in ONE if name not in LONG] * 3
    for name in names + chance.sample([name for name in LONG if name != "recover"], 4):
        crash_everywhere(chance.choice(STATES), name)


@pytest.mark.soak
@pytest.mark.parametrize("name", [*ONE, *MANY])
@pytest.mark.parametrize("cached", STATES, ids=str)
def test_a_crash_at_every_store_of_every_operation(cached, name):
    crash_everywhere(cached, name)
