"""The directory of kept buffers: large and small, after much keeping and forgetting, and damaged."""

from __future__ import annotations

import os
import random

import pytest

from pagebuddy import CorruptMetadata, OutOfKeys
from pagebuddy.sharing.words import (
    A_BUSY,
    A_ENTRIES_END,
    ENTRY_BY_KEY,
    ENTRY_BY_NODE,
    ENTRY_KEPT,
    ENTRY_STATE,
    ENTRY_WORDS,
)


def entries_of(arena):
    """Return the words of all entries that were ever used, one after another."""
    attachment = arena._attachment
    start = attachment.layout.entries_at
    words = attachment.memory[start : start + attachment.memory[A_ENTRIES_END] * ENTRY_WORDS]
    return [words[at : at + ENTRY_WORDS] for at in range(0, len(words), ENTRY_WORDS)]


def lengths_of_buckets(arena, by):
    """Return how many entries each bucket has."""
    entries = entries_of(arena)
    lengths = []
    for entry in entries:
        index, length = entry[by] >> 32, 0
        while index:
            index, length = entries[index][by] & 0xFFFF_FFFF, length + 1
        lengths.append(length)
    return lengths


@pytest.mark.parametrize(
    ("size", "keys"),
    [("1 MiB", 1024), ("64 MiB", 1024), ("256 MiB", 4096), ("64 GiB", 65536)],
)
def test_unless_told_an_arena_has_keys_in_proportion(Arena, size, keys):
    assert Arena(size).stats().keys == keys


@pytest.mark.parametrize("keys", [1, 7, 1 << 20])
def test_it_has_as_many_keys_as_it_is_told(Arena, keys, tmp_path):
    assert Arena("1 MiB", keys=keys).stats().keys == keys
    assert Arena.file(tmp_path / "store", "1 MiB", keys=keys).stats().keys == keys
    assert Arena.file(tmp_path / "store").stats().keys == keys


@pytest.mark.parametrize(
    ("keys", "error", "says"),
    [
        (0, ValueError, "keys is 0; it must be at least 1"),
        (-1, ValueError, "keys is -1; it must be at least 1"),
        ((1 << 20) + 1, ValueError, "keys is 1048577; it must be at most 1048576"),
        (1.5, TypeError, "keys is 1.5, a float; it must be an integer"),
        ("9", TypeError, "keys is '9', a str; it must be an integer"),
    ],
)
def test_numbers_of_keys_that_are_refused(Arena, keys, error, says):
    with pytest.raises(error, match=says):
        Arena("1 MiB", keys=keys)
    with pytest.raises(error, match=says):
        Arena.over(bytearray(1 << 20), keys=keys)


def test_memory_of_the_caller_has_as_many_keys_as_told(Arena):
    arena = Arena.over(bytearray(1 << 20), keys=1000)
    assert arena.stats().keys == 1000
    for number in range(arena.n_pages):
        arena.alloc(1, keep=f"{number}").release()
    assert len(arena.keys()) == arena.n_pages
    with pytest.raises(ValueError, match="too few"):
        Arena.over(bytearray(1 << 20), keys=1 << 20)


def test_many_keys_take_no_memory_before_they_are_used(Arena, tmp_path):
    few = Arena.file(tmp_path / "few", "1 MiB", keys=1)
    many = Arena.file(tmp_path / "many", "1 MiB", keys=1 << 20)

    def used(arena):
        return os.fstat(arena.fileno()).st_blocks * 512

    assert used(many) <= used(few) + 4096
    for number in range(100):
        many.alloc(1, keep=f"{number}").release()
    many.verify()
    many.recover()
    assert sorted(map(int, many.keys())) == list(range(100))
    assert "absent" not in many
    assert used(many) <= used(few) + 20 * 4096


def test_entries_are_used_again_before_others(Arena):
    arena = Arena("1 MiB")
    buffer = arena.alloc(1)
    for number in range(3000):
        buffer.keep(f"{number}")
    buffer.unkeep()
    # Entry 0, and two for a key that is changed.
    assert len(entries_of(arena)) == 3
    arena.verify()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 31, 64, 65])
def test_every_key_is_found_however_many_there_are(Arena, n):
    arena = Arena("1 MiB", keys=n)
    for number in range(n):
        arena.alloc(number + 1, keep=f"{number}").release()
        assert [arena[f"{each}"].nbytes for each in range(number + 1)] == [*range(1, number + 2)]
        arena.verify()
    with pytest.raises(OutOfKeys):
        arena.alloc(1, keep=True)
    for number in range(n):
        arena[f"{number}"].unkeep()
        assert sorted(map(int, arena.keys())) == [*range(number + 1, n)]
        arena.verify()
    assert arena.stats().used == 0


def test_keys_that_are_left_are_found_after_any_others_were_forgotten(Arena):
    """Also where the directory is full."""
    arena = Arena("4 MiB", keys=256)
    chance = random.Random(7)
    kept = {}
    for number in range(3000):
        if kept and (len(kept) == 256 or chance.random() < 0.5):
            key = chance.choice(sorted(kept))
            kept.pop(key).unkeep()
            assert key not in arena
        else:
            kept[f"{number}"] = arena.alloc(1, keep=f"{number}")
        if number % 100 == 0:
            arena.verify()
            assert arena.keys() == sorted(kept)
            assert all(arena[key].offset == buffer.offset for key, buffer in kept.items())
    while kept:
        kept.popitem()[1].unkeep()
    assert not any(entry[ENTRY_STATE] for entry in entries_of(arena))


@pytest.mark.parametrize(
    "spelt", ["{}", "item-{:08}", "{:047}", "{:05} of the train set", "a/{}/x"]
)
def test_no_bucket_has_many_entries(Arena, effort, spelt):
    """Otherwise a look-up would take long. The keys that people use differ in few places."""
    n = effort.pick(1000, 2000, 20_000)
    arena = Arena("128 MiB", keys=n)
    for number in range(n):
        arena.alloc(1, keep=spelt.format(number))
    for by in ENTRY_BY_KEY, ENTRY_BY_NODE:
        lengths = lengths_of_buckets(arena, by)
        assert sum(lengths) == n
        assert max(lengths) < 12


def damaged(arena, by):
    """Keep buffers, and let one entry's list end before the others; return the keys."""
    keys = [f"{number}" for number in range(200)]
    for key in keys:
        arena.alloc(1, keep=key).release()
    entries = entries_of(arena)
    longest = max(range(len(entries)), key=lambda at: lengths_of_buckets(arena, by)[at])
    entries[longest][by] &= 0xFFFF_FFFF
    return keys


def is_found(arena, key):
    """Whether the search for a key comes to it."""
    try:
        arena[key]
    except KeyError:
        return False
    return True


def test_recovery_makes_every_key_found_again(Arena):
    arena = Arena("4 MiB")
    keys = damaged(arena, ENTRY_BY_KEY)
    assert not all(is_found(arena, key) for key in keys)
    arena._attachment.memory[A_BUSY] = 2 << 32 | 1
    assert all(is_found(arena, key) for key in keys)
    arena.verify()


@pytest.mark.parametrize("by", [ENTRY_BY_KEY, ENTRY_BY_NODE])
def test_verify_reports_an_entry_that_is_not_found(Arena, by):
    arena = Arena("4 MiB")
    damaged(arena, by)
    with pytest.raises(CorruptMetadata, match="found by its key"):
        arena.verify()
    arena.recover()
    arena.verify()


@pytest.mark.parametrize("by", [ENTRY_BY_KEY, ENTRY_BY_NODE])
def test_verify_reports_a_free_entry_in_a_bucket(Arena, by):
    arena = Arena("4 MiB")
    buffers = [arena.alloc(1, keep=f"{number}") for number in range(8)]
    buffers[7].unkeep()
    entries = entries_of(arena)
    # At the end of a list.
    last = next(entry for entry in entries if entry[ENTRY_STATE] and not entry[by] & 0xFFFF_FFFF)
    last[by] |= 8
    with pytest.raises(CorruptMetadata, match="in the list of free ones"):
        arena.verify()
    arena.recover()
    arena.verify()


@pytest.mark.parametrize("by", [ENTRY_BY_KEY, ENTRY_BY_NODE])
@pytest.mark.parametrize("wrong", [1, 5, 7, 1 << 20, 0xFFFF_FFFF])
def test_a_list_that_leads_elsewhere_is_an_error_and_repaired(Arena, by, wrong):
    """Also one that leads to itself."""
    arena = Arena("1 MiB")
    buffers = [arena.alloc(1, keep=f"{number}") for number in range(5)]
    buffers[0].unkeep()
    for entry in entries_of(arena):
        entry[by] = wrong << 32 | wrong
    with pytest.raises(CorruptMetadata, match="every entry of the directory"):
        arena.verify()
    with pytest.raises(CorruptMetadata, match="every entry of the directory"):
        buffers[0].keep("one more")
    arena.verify()
    assert arena.keys() == ["1", "2", "3", "4"]
    buffers[0].keep("one more")
    buffers[3].unkeep()
    arena.verify()


def test_to_ask_whether_a_key_is_there_holds_nothing(Arena, tmp_path):
    arena = Arena("1 MiB")
    arena.alloc(5, keep="it").release()
    with arena.record(tmp_path / "trace.csv") as recording:
        assert "it" in arena
        assert "nothing" not in arena
        assert recording.events == 0
        assert arena["it"].nbytes == 5
        assert recording.events == 2


def test_a_key_is_there_among_more_than_are_listed_at_once(Arena):
    arena = Arena("128 MiB")
    buffers = [arena.alloc(1, keep=f"{number}") for number in range(400)]
    assert all(f"{number}" in arena for number in range(400))
    assert "400" not in arena
    assert len(arena.keys()) == 400
    buffers[7].keep("400")
    assert ("400" in arena, "7" in arena) == (True, False)


def kept_at(arena, key):
    """Return when a key was kept."""
    return next(row.kept_at for row in arena.buffers() if row.key == key)


def test_an_arena_says_since_when_a_key_is_there(Arena, tmp_path):
    arena = Arena.file(tmp_path / "store", "1 MiB")
    before = int(1000 * os.stat(tmp_path).st_mtime) / 1000 - 5
    held = arena.alloc(5, keep="old")
    arena.alloc(6, keep="other").release()
    loose = arena.alloc(7)
    assert {row.offset: row.kept_at for row in arena.buffers()}[loose.offset] is None
    since = kept_at(arena, "old")
    assert before < since < before + 3600
    # As if that had been a minute ago.
    entry = entries_of(arena)[1]
    entry[ENTRY_KEPT] -= 60_000
    since = kept_at(arena, "old")
    held.keep("old")
    held.keep()
    arena.recover()
    arena._attachment.memory[A_BUSY] = 2 << 32 | 1
    assert held.resize(100)
    assert kept_at(arena, "old") == since
    held.keep("new")
    assert kept_at(arena, "new") >= since + 59
    loose.keep("new", replace=True)
    assert kept_at(arena, "new") >= since + 59


def test_the_age_of_a_key_survives_all_processes(Arena, start, tmp_path):
    path = tmp_path / "store"
    other = start(
        "arena = Arena.file(sys.argv[1], '1 MiB'); arena.alloc(5, keep='it'); "
        "say(next(arena.buffers()).kept_at)",
        path,
    )
    since = float(other.hear())
    assert other.end() == 0
    assert kept_at(Arena.file(path), "it") == since > 1.7e9
