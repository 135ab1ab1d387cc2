"""Flip each bit of each word but those of the geometry, then allocate all that is free.

The engine works or raises, never loops, and never hands out a page of a live span. `recover` finds every
live span. A process of its own flips the bits, with this file as a script, so that a crash or an endless
loop is detected:

    python -m tests.allocator.test_flipped_words MODULE SEED EVERY
"""

from __future__ import annotations

import faulthandler
import importlib
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from random import Random

import pytest

from pagebuddy import CorruptMetadata, OutOfPages, PageBuddyError, PageRanges
from pagebuddy.allocator.buddy import BuddyAllocator
from pagebuddy.core import words
from tests.allocator.damage import WAYS, Holder, rich_allocator
from tests.allocator.geometries import geometry_of

HANGS_AFTER = 30  # in seconds; a case takes milliseconds
HINTS = [words.H_OPEN, words.H_AREA]
VARIABLES = range(words.H_GENERATION, words.H_AREA + 1)


def derived_words(geometry):
    """Return the indices of all words but those of the geometry and the records, by their kind."""
    kinds = dict.fromkeys(VARIABLES, "variable")
    for group in range(geometry.n_groups):
        first = geometry.groups_at + words.GROUP_WORDS * group
        kinds[first + words.G_FREE] = "free bits"
        kinds[first + words.G_COPY] = "copy of free bits"
        kinds[first + words.G_LINK] = "link"
    first = geometry.records_at
    return kinds | dict.fromkeys(range(first, first + words.FIRST_NODE), "waiting place")


def is_found(buddy):
    """Return whether `verify` finds something wrong."""
    try:
        buddy.verify()
    except CorruptMetadata:
        return True
    return False


def survive(holder, way, chance):
    """Use a damaged allocator; return how that ended."""
    try:
        way(holder, chance)
        end = "works"
    except CorruptMetadata:
        end = "raises"
    assert not holder.twice
    if end == "works":
        if is_found(holder.buddy):
            end = "verify finds it"
        else:
            assert dict(holder.buddy.spans()) == holder.live
    holder.buddy.recover()
    assert not is_found(holder.buddy)
    found = dict(holder.buddy.spans())
    assert holder.live.items() <= found.items()
    more = found.keys() - holder.live.keys() - holder.unsure.keys()
    assert all(found[page] == holder.batch for page in more)
    return end


def flip_all(allocator, seed, every):
    """Flip one bit in `every`, each by itself."""
    sound = rich_allocator(allocator)
    live = dict(sound.spans())
    start = bytes(rich_allocator(allocator).metadata)
    kinds = derived_words(geometry_of(sound))
    cases = [(index, bit) for index in kinds for bit in range(64)]
    ends = Counter()
    for number in range(seed % every, len(cases), every):
        index, bit = cases[number]
        faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
        metadata = bytearray(start)
        memoryview(metadata).cast("Q")[index] ^= 1 << bit
        chance = Random(f"{seed} {number}")
        way = chance.choice(WAYS)
        holder = Holder(allocator.attach(metadata), live)
        try:
            ends[survive(holder, way, chance)] += 1
        except (AssertionError, PageBuddyError) as error:
            where = f"bit {bit} of word {index} ({kinds[index]}), {way.__name__}, seed {seed}"
            raise AssertionError(where) from error
    assert len(ends) == 3, ends


def main(module, seed, every):
    flip_all(importlib.import_module(module).BuddyAllocator, int(seed), int(every))


TURNS = [0, *(pytest.param(turn, marks=pytest.mark.soak) for turn in (1, 2, 3))]


@pytest.mark.parametrize("turn", TURNS)
def test_any_flipped_bit_is_survived_or_found(module, engine, effort, turn):
    every = effort.pick(16, 1, 1) if engine == "compiled" else effort.pick(200, 10, 2)
    program = [sys.executable, "-m", "tests.allocator.test_flipped_words"]
    command = [*program, module, str(effort.seed + turn), str(every)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_verify_finds_any_flipped_bit_of_a_record_but_its_generation(Buddy, engine, effort):
    buddy = rich_allocator(Buddy)
    buddy.verify()  # settles
    stored = buddy.metadata.cast("Q")
    pages = range(geometry_of(buddy).records_at + words.FIRST_NODE, len(stored))
    live = [index for index in pages if words.is_live(stored[index])]
    chance = Random(effort.seed)
    few = effort.pick(10, 100, 1000) if engine == "compiled" else 3
    for index in {*chance.sample(live, min(few, len(live))), *chance.sample(pages, few)}:
        for bit in range(32 if words.is_live(stored[index]) else 0, 64):
            stored[index] ^= 1 << bit
            assert is_found(buddy), (index, bit)
            stored[index] ^= 1 << bit
    assert not is_found(buddy)


def test_a_hint_may_have_any_value(Buddy, effort):
    """Most pages are in use, as spans of one to three pages. The hints change before each call."""
    buddy = Buddy(PageRanges([(100, 300), (1003, 150), (5003, 300), (7100, 90)]))
    holder = Holder(buddy, {})
    holder.fill([3, 2, 1])
    chance = Random(effort.seed)
    for page in chance.sample(sorted(holder.live), len(holder.live) // 4):
        holder.free(page)
    values = [*range(geometry_of(buddy).n_groups + 9), (1 << 64) - 1]
    values += [chance.getrandbits(bits) for bits in range(7, 65, 7)]
    stored = buddy.metadata.cast("Q")
    for i in range(effort.pick(3000, 50_000)):
        for hint in HINTS:
            stored[hint] = chance.choice(values)
        if holder.live and chance.random() < 0.5:
            holder.free(chance.choice(list(holder.live)))
        else:
            with suppress(OutOfPages):
                holder.alloc(chance.choice([1, 1, 1, 2, 3]))
        assert not holder.twice
        if i % 50 == 0:
            assert not is_found(buddy)
            assert dict(buddy.spans()) == holder.live


ALLOCATIONS = {
    "alloc": lambda holder: [holder.alloc(128) for _ in range(8)],
    "alloc_order": lambda holder: holder.took(holder.buddy.alloc_order(8), 256),
    "alloc_many of blocks": lambda holder: holder.alloc_many(7, 9),
    "alloc_many of pages": lambda holder: holder.alloc_many(0, 1152),
    "alloc_at": lambda holder: holder.took(holder.buddy.alloc_at(2176, 100) or 2176, 100),
    "alloc in a window": lambda holder: holder.took(
        holder.buddy.alloc(100, above=2176, below=2304), 100
    ),
}


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_a_wrong_order_of_a_free_block_hands_out_no_live_page(Buddy, name):
    """The block at page 2048 seems to contain the live pages from 2176 on, and merges with others."""
    buddy = Buddy(4096)
    spans = {0: 128, 128: 128, 256: 256, 512: 512, 1024: 1024, 2304: 256, 2560: 512, 3072: 1024}
    for page, n in {**spans, 2176: 128}.items():
        buddy.alloc_at(page, n)
    buddy.free(0)
    buddy.verify()
    links = buddy.metadata.cast("Q")[geometry_of(buddy).groups_at :][words.G_LINK :: 3]
    group = words.N_LISTS + 2048 // words.GROUP_PAGES
    assert words.list_of(links[group]) == 7 + 1
    wrong = (links[group] ^ 1 << bit for bit in range(56, 64))
    links[group] = next(link for link in wrong if words.list_of(link) == 8 + 1)
    holder = Holder(buddy, {**spans, 2176: 128})
    try:
        for page in (2304, 512):
            holder.free(page)
        ALLOCATIONS[name](holder)
    except CorruptMetadata:
        pass
    assert not holder.twice


@pytest.mark.parametrize("n_pages", [1, 3])
def test_no_flipped_bit_of_the_mask_leads_out_of_the_metadata(n_pages):
    """In a small memory there are fewer groups than bits. Uncompiled, a word outside is an error."""
    for bit in range(64):
        buddy = BuddyAllocator(n_pages)
        buddy.alloc(n_pages)
        buddy.words[words.H_MASK] ^= 1 << bit
        with suppress(PageBuddyError):
            buddy.alloc(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
