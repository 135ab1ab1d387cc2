"""The directory after a death or a power cut. Of two entries for one key or buffer, the newer stays."""

from __future__ import annotations

import gc
import random
from array import array

import pytest

from pagebuddy.core.words import FIRST_NODE
from pagebuddy.sharing.words import (
    A_BUSY,
    A_NUMBER,
    ENTRY_BY_KEY,
    ENTRY_BY_NODE,
    ENTRY_GENERATION,
    ENTRY_KEY,
    ENTRY_NODE,
    ENTRY_STATE,
    ENTRY_WORDS,
    KEY_WORDS,
    OP_REAP,
)
from tests.sharing.test_crashes import Mortal


@pytest.fixture
def arena(Arena):
    return Arena("4 MiB", keys=256)


def entries_of(arena):
    """Return the words of all entries but the first, which is never used, one after the other."""
    attachment = arena._attachment
    start = attachment.layout.entries_at
    ends = range(start + ENTRY_WORDS, attachment.layout.tickets_at, ENTRY_WORDS)
    return [attachment.memory[at : at + ENTRY_WORDS] for at in ends]


def entry_of(arena, key):
    """Return the entry of a key."""
    return next(entry for entry in entries_of(arena) if entry[ENTRY_STATE] and key_of(entry) == key)


def key_of(entry):
    return entry[ENTRY_KEY : ENTRY_KEY + KEY_WORDS].tobytes().rstrip(b"\0").decode()


def give_key(entry, key):
    """Store a key in an entry, ignoring its bucket."""
    words = memoryview(key.encode().ljust(8 * KEY_WORDS, b"\0")).cast("Q")
    entry[ENTRY_KEY : ENTRY_KEY + KEY_WORDS] = words


def swap_states(one, other):
    """Make the older entry the newer one."""
    one[ENTRY_STATE], other[ENTRY_STATE] = other[ENTRY_STATE], one[ENTRY_STATE]


def take_over(arena):
    """Make the next operation find that a process died inside an operation."""
    arena._attachment.memory[A_BUSY] = 2 << 32 | 1
    arena.verify()


@pytest.mark.parametrize("newer", ["first", "second"])
def test_of_two_entries_with_one_key_the_newer_stays(arena, newer):
    first, second = (arena.alloc(1, keep=key) for key in ("first", "second"))
    entries = entry_of(arena, "first"), entry_of(arena, "second")
    give_key(entries[1], "first")
    if newer == "first":
        swap_states(*entries)
    take_over(arena)
    stays = first if newer == "first" else second
    assert arena["first"].offset == stays.offset
    assert arena.keys() == ["first"]
    assert (first.kept, second.kept) == (stays is first, stays is second)


@pytest.mark.parametrize("newer", ["first", "second"])
def test_of_two_entries_for_one_buffer_the_newer_stays(arena, newer):
    first, second = (arena.alloc(1, keep=key) for key in ("first", "second"))
    entries = [entry_of(arena, "first"), entry_of(arena, "second")]
    told = entries if newer == "second" else entries[::-1]
    # As if a kept buffer got another key, and its old entry was not freed yet.
    for word in ENTRY_NODE, ENTRY_GENERATION:
        told[0][word] = told[1][word]
    if newer == "first":
        swap_states(*entries)
    take_over(arena)
    assert arena.keys() == [newer]
    assert (first.kept, second.kept) == (newer == "first", newer == "second")


def test_an_entry_whose_buffer_is_gone_is_freed(arena):
    arena.alloc(1, keep="gone")
    entry_of(arena, "gone")[ENTRY_GENERATION] += 1
    take_over(arena)
    assert arena.keys() == []
    assert not any(entry[ENTRY_STATE] for entry in entries_of(arena))
    gc.collect()
    assert arena.stats().used == 0


def test_buffers_kept_without_a_key_stay(arena):
    buffers = [arena.alloc(1, keep=True) for _ in range(50)]
    take_over(arena)
    assert all(buffer.kept for buffer in buffers)


@pytest.mark.parametrize("seed", range(8))
def test_in_any_full_directory_the_newest_entry_of_each_key_is_found(arena, seed):
    chance = random.Random(seed)
    entries = entries_of(arena)
    n = len(entries) - 1
    buffers = [arena.alloc(1) for _ in range(n)]
    for number, buffer in enumerate(buffers):
        buffer.keep(f"{number}", flush=False)
    states = list(range(2, n + 2))
    chance.shuffle(states)
    newest = {}
    for entry, state in zip(entries[:n], states, strict=True):
        key = f"{chance.randrange(n)}"
        give_key(entry, key)
        entry[ENTRY_STATE] = state
        if chance.random() < 0.3:
            entry[ENTRY_STATE] = 0
        elif state > newest.get(key, (0, 0))[0]:
            newest[key] = state, entry[ENTRY_NODE]
    arena._attachment.memory[A_NUMBER] = n + 1
    take_over(arena)
    assert arena.keys() == sorted(newest)
    for key, (_, node) in newest.items():
        assert arena[key].offset == (node - FIRST_NODE) * arena.page_size
    assert sum(buffer.kept for buffer in buffers) == len(newest)
    while newest:
        arena[newest.popitem()[0]].unkeep()
    assert not any(entry[ENTRY_STATE] for entry in entries)
    # All free entries are found.
    for buffer in buffers:
        buffer.keep()
    arena.verify()


@pytest.mark.parametrize("seed", range(6))
def test_a_mending_killed_at_any_store_and_repeated_ends_the_same(Arena, seed, effort):
    """After a power cut: several entries for one key and for one buffer, and links to anywhere."""
    chance = random.Random(seed)
    arena = Arena("256 KiB", keys=8, lock="file")
    buffers = [arena.alloc(1, keep=f"{number}") for number in range(8)]
    entries = entries_of(arena)[:8]
    named = [(entry[ENTRY_NODE], entry[ENTRY_GENERATION]) for entry in entries]
    for entry in entries:
        give_key(entry, chance.choice(["", "a", "b", "c", "d"]))
        entry[ENTRY_NODE], entry[ENTRY_GENERATION] = chance.choice(named)
        entry[ENTRY_STATE] *= chance.random() < 0.8
        entry[ENTRY_BY_KEY], entry[ENTRY_BY_NODE] = (
            chance.randrange(12) << 32 | chance.randrange(12) for _ in range(2)
        )
    in_use = [tuple(entry) for entry in entries if entry[ENTRY_STATE]]
    # First the newest of each key, then of these the newest of each buffer.
    newest = {}
    for entry in sorted(in_use, key=lambda entry: entry[ENTRY_STATE]):
        newest[entry[ENTRY_KEY] or entry] = entry
    expected = {
        entry[ENTRY_NODE]: key_of(memoryview(array("Q", entry)))
        for entry in sorted(newest.values(), key=lambda entry: entry[ENTRY_STATE])
    }
    taker = Mortal(arena.fileno())
    arena._attachment.memory[A_BUSY] = 2 << 32 | 1
    memory = arena._attachment.medium.memory
    image = bytes(memory)
    stores, more = 0, True
    while more:
        memory[:] = image
        more = taker.die_in(lambda taker: taker.ask(OP_REAP), stores)
        if stores % effort.pick(7, 3, 1) == 0 or not more:
            arena.verify()
            found = {row.offset // arena.page_size + FIRST_NODE: row.key for row in arena.buffers()}
            assert {node: key for node, key in found.items() if key is not None} == expected
        taker.revive()
        stores += 1
    assert stores > 50
    del buffers
