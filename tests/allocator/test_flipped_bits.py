"""Flip random bits of the metadata during every operation: it must work or raise, and never crash.

Each round runs in its own process, with this file as a script, so that a crash is detected:

    python tests/allocator/test_flipped_bits.py MODULE FIRST_SEED ROUNDS
"""

from __future__ import annotations

import faulthandler
import importlib
import random
import resource
import subprocess
import sys
from array import array
from contextlib import suppress
from itertools import islice

import pytest

from pagebuddy import CorruptMetadata, PageBuddyError, PageRanges
from pagebuddy.core import words
from tests.allocator.geometries import geometry_of

NONE = (1 << 64) - 1
GUARD = 64
MOST_MEMORY = 2 << 30
HANGS_AFTER = 30  # in seconds; a round takes milliseconds
LAYOUTS = [
    [(0, 64)],
    [(0, 1000)],
    [(3, 50), (53, 14), (90, 61)],
    [((1 << 64) - 133, 133)],
    [(i * 7, 5) for i in range(12)],
]


class Damage:
    """An allocator with spans, in memory between guard bytes, and a random generator."""

    def __init__(self, allocator, seed):
        self.chance = random.Random(seed)
        self.ranges = PageRanges(self.chance.choice(LAYOUTS))
        max_order = self.chance.choice([None, 0, 3, 31])
        self.size = allocator.metadata_size(self.ranges, max_order=max_order)
        self.memory = bytearray(b"\xa5" * (self.size + 2 * GUARD))
        self.metadata = memoryview(self.memory)[GUARD : GUARD + self.size]
        self.allocator = allocator
        self.buddy = allocator(self.ranges, max_order=max_order, metadata=self.metadata)
        self.pages = [self.buddy.alloc(self.chance.choice([1, 1, 2, 3])) for _ in range(12)]
        for page in self.chance.sample(self.pages, 5):
            self.buddy.free(page)

    def flip(self):
        """Flip a few bits: anywhere, or mostly in the header, which would be hit rarely otherwise."""
        for _ in range(self.chance.choice([1, 1, 2, 8])):
            end = self.chance.choice([self.size, self.size, min(self.size, 640)])
            self.metadata[self.chance.randrange(end)] ^= 1 << self.chance.randrange(8)

    def page(self):
        """Return a page that is probably the first of a live span."""
        if self.chance.random() < 0.7:
            return int(self.chance.choice(self.pages))
        first, n = self.chance.choice(list(self.ranges))
        return first + self.chance.randrange(n)

    def operation(self):
        """Perform one operation with valid arguments."""
        chance, buddy = self.chance, self.buddy
        n = chance.choice([1, 1, 2, 3, 8, 33, 200])
        start = self.page()
        return chance.choice(
            [
                lambda: self.pages.append(buddy.alloc(n)),
                lambda: self.pages.append(buddy.alloc(n, align=chance.choice([2, 8, 64]))),
                lambda: self.pages.append(buddy.alloc(n, above=start, below=start + 70)),
                lambda: self.pages.append(buddy.alloc_order(chance.randrange(5))),
                lambda: self.pages.extend(buddy.alloc_many(chance.randrange(3), n)),
                lambda: buddy.alloc_at(start, n),
                lambda: buddy.free(start),
                lambda: buddy.free(start),
                lambda: buddy.free(start, n_pages=n, generation=n),
                lambda: buddy.free_many({self.page() for _ in range(n)}),
                lambda: buddy.resize(start, n),
                lambda: (buddy.size_of(start), buddy.generation_of(start), start in buddy),
                lambda: buddy.run(
                    array("Q", [what << 32 | i for i, what in enumerate((0, n, 2**31 + 2, 0))]),
                    array("Q", [start, NONE, NONE, self.page()]),
                ),
                lambda: list(buddy.spans()),
                lambda: list(buddy.free_blocks()),
                buddy.stats,
                buddy.verify,
                buddy.dump,
                self.recover,
                self.attach,
            ]
        )

    def recover(self):
        """Recover. If that succeeds, every invariant must hold again, unless the geometry was lost."""
        self.buddy.recover()
        self.allocator.attach(self.metadata)
        try:
            self.buddy.verify()
        except CorruptMetadata as error:
            raise AssertionError("recover() left something broken") from error

    def attach(self):
        """Continue with another allocator on the same bytes, if their geometry is still valid."""
        try:
            self.buddy = self.allocator.attach(self.metadata)
        except CorruptMetadata:
            self.allocator.attach(bytearray(self.metadata[: GUARD // 8 * 8]))

    def check_guards(self):
        guard = b"\xa5" * GUARD
        assert self.memory[:GUARD] == guard
        assert self.memory[-GUARD:] == guard


def one_round(allocator, seed):
    """Alternate flipped bits and operations. Only documented errors may be raised."""
    damage = Damage(allocator, seed)
    for i in range(120):
        if i % 10 == 0:
            damage.flip()
        try:
            damage.operation()()
        except PageBuddyError:
            pass
        except ValueError as error:
            # Errors for pages across two ranges, and for a `run` that contains the highest page.
            if not str(error).startswith(("pages ", "page 2^64 - 1")):
                raise
        damage.check_guards()


def main(module, first_seed, rounds):
    allocator = importlib.import_module(module).BuddyAllocator
    # Limit the memory, so that an endless walk fails early.
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    for seed in range(int(first_seed), int(first_seed) + int(rounds)):
        print(seed, flush=True)
        faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
        one_round(allocator, seed)


def run_rounds(module, first_seed, count):
    """Run rounds in another process. The last line of its output is the seed to blame."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", __file__, module, str(first_seed), str(count)],
        capture_output=True,
        text=True,
    )
    seed = done.stdout.split()[-1:]
    assert done.returncode == 0, f"seed {seed} ended with {done.returncode}:\n{done.stderr}"


def test_flipped_bits_never_crash_an_allocator(module, engine, effort):
    count = effort.pick(600, 3000) if engine == "compiled" else effort.pick(30, 150)
    run_rounds(module, effort.seed, count)


def test_any_bit_of_the_geometry_flipped_is_refused(Buddy):
    sound = Buddy(PageRanges([(3, 50), (90, 61)]))
    sound.alloc(5)
    header = bytes(sound.metadata)
    pristine = bytes(Buddy(PageRanges([(3, 50), (90, 61)])).metadata)
    same = [i for i, (one, other) in enumerate(zip(header, pristine, strict=True)) if one == other]
    refused = 0
    for i in same[:640]:
        for bit in range(8):
            copy = bytearray(header)
            copy[i] ^= 1 << bit
            try:
                buddy = Buddy.attach(copy)
            except CorruptMetadata:
                refused += 1
            else:
                assert list(buddy.spans()) in ([(3, 5)], [(8, 5)], list(sound.spans()))
    assert refused > 8 * 8 * 6


def test_geometry_is_private_once_attached(Buddy):
    """Flipped bits cannot lead an attached allocator out of its buffer."""
    buddy = Buddy(PageRanges([(3, 50), (90, 61)]))
    whole = bytes(buddy.metadata)
    for i in range(512):
        buddy.metadata[i] ^= 0x80
        with suppress(PageBuddyError):
            buddy.free(buddy.alloc(1))
        buddy.metadata[:] = whole


def test_a_free_bit_of_a_live_page_is_found(Buddy):
    buddy = Buddy(64)
    buddy.alloc_at(0, 4)
    groups_of(buddy)[words.GROUP_WORDS * words.N_LISTS] |= 1
    for call in (buddy.stats, buddy.verify, lambda: buddy.alloc(2, above=0)):
        with pytest.raises(CorruptMetadata):
            call()


@pytest.mark.parametrize("number", [1, 1 << 32, 8 << 32 | 8], ids=["low", "high", "too many"])
def test_a_wrong_number_of_waiting_spans_is_found_when_it_is_read(Buddy, number):
    buddy = Buddy(64)
    assert buddy.alloc(1) == 0
    records_of(buddy)[0] = number
    for call in (lambda: buddy.alloc(1), buddy.verify):
        with pytest.raises(CorruptMetadata, match="wait"):
            call()
    buddy.recover()
    buddy.verify()
    assert list(buddy.spans()) == [(0, 1)]


def test_no_flipped_bit_of_what_is_cached_hands_out_a_live_page(Buddy):
    """Spans that wait, the span aside and the front: each bit of their words."""

    def cached():
        buddy = Buddy(256)
        pages = [buddy.alloc(n) for n in (1, 1, 2, 2, 3, 8, 1, 100)]
        for page in pages[1:7:2]:
            buddy.free(page)
        return buddy

    sound = cached()
    geometry = geometry_of(sound)
    indices = [words.H_ASIDE, words.H_ASIDE_COPY, words.H_FRONT, words.H_FRONT_COPY]
    indices += range(geometry.records_at, geometry.records_at + words.FIRST_NODE)
    for index in indices:
        for bit in range(64):
            buddy = cached()
            buddy.metadata.cast("Q")[index] ^= 1 << bit
            taken = set()
            with suppress(PageBuddyError):
                for n in (3, 1, 1, 1, 2, 2, 8, 8):
                    first = buddy.alloc(n)
                    pages = set(range(first, first + n))
                    assert not pages & taken, (index, bit)
                    taken |= pages
            for first, n in sound.spans():
                assert not taken & set(range(first, first + n)), (index, bit)


def groups_of(buddy):
    """Return the words of the groups of an allocator: list heads, then groups."""
    return buddy.metadata.cast("Q")[geometry_of(buddy).groups_at :]


def records_of(buddy):
    """Return the record words of an allocator: those of waiting spans, then pages."""
    return buddy.metadata.cast("Q")[geometry_of(buddy).records_at :]


@pytest.mark.parametrize("max_order", [0, 2, 6, 8])
def test_verify_finds_any_flipped_bit_of_a_list_or_a_group(Buddy, max_order):
    buddy = Buddy(300, max_order=max_order)
    for page, n_pages in ((3, 5), (20, 7), (40, 1), (42, 1), (64, 64), (200, 3)):
        buddy.alloc_at(page, n_pages)
    stored = buddy.metadata.cast("Q")
    geometry = geometry_of(buddy)
    cached = [words.H_ASIDE, words.H_ASIDE_COPY, words.H_FRONT, words.H_FRONT_COPY]
    numbers = range(geometry.records_at, geometry.records_at + 48, words.WAIT_WORDS)
    groups = range(geometry.groups_at, geometry.groups_at + words.GROUP_WORDS * geometry.n_groups)
    for index in (words.H_MASK, *cached, *numbers, *groups):
        for bit in range(64):
            stored[index] ^= 1 << bit
            with pytest.raises(CorruptMetadata):
                buddy.verify()
            stored[index] ^= 1 << bit
    buddy.verify()


@pytest.mark.parametrize("shift", [0, 28], ids=["next", "previous"])
def test_nothing_is_unlinked_unless_its_neighbours_point_back(Buddy, shift):
    buddy = Buddy(64 * 16, max_order=6)
    groups = groups_of(buddy)
    links = groups[words.G_LINK :: words.GROUP_WORDS]
    first = words.group_after(links[6])
    whole = links[first]
    for other in range(words.N_LISTS, words.N_LISTS + 16):
        if other in (first, whole >> shift & words.MAX_GROUPS):
            continue
        links[first] = whole & ~(words.MAX_GROUPS << shift) | other << shift
        before = bytes(groups)
        with pytest.raises(CorruptMetadata) as caught:
            buddy.alloc(64)
        assert caught.value.page == 64 * (first - words.N_LISTS)
        assert bytes(groups) == before
        links[first] = whole
    buddy.verify()


def test_a_walk_ends_at_an_impossible_record(Buddy):
    buddy = Buddy(64)
    buddy.alloc_at(0, 2)
    for n_pages in (0, 65, (1 << 31) - 1):
        records_of(buddy)[words.FIRST_NODE] = 1 << 63 | n_pages << 32
        with pytest.raises(CorruptMetadata):
            list(islice(buddy.spans(), 65))


def test_recovery_needs_only_the_geometry_and_the_records(Buddy):
    """The records are enough: everything else except the geometry may be lost."""
    buddy = Buddy(PageRanges([(0, 64), (100, 7)]))
    spans = [(3, 5), (40, 1), (103, 4)]
    for page, n_pages in spans:
        buddy.alloc_at(page, n_pages)
    record = 1 << 63
    table = range(words.HEADER_WORDS, words.HEADER_WORDS + 2 * words.TABLE_WORDS)
    for seed in range(50):
        chance = random.Random(seed)
        stored = buddy.metadata.cast("Q")
        for i, word in enumerate(stored):
            if i > words.H_CHECKSUM and i not in table and not word & record:
                stored[i] = chance.getrandbits(63)
        buddy.recover()
        buddy.verify()
        assert list(buddy.spans()) == spans
        buddy.free(buddy.alloc(32))


if __name__ == "__main__":
    main(*sys.argv[1:])
