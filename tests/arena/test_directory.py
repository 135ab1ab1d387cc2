"""The directory of kept buffers after much keeping and forgetting, and with holes where none may be."""

import random

import pytest

from pagebuddy import CorruptMetadata
from pagebuddy.sharing.words import A_BUSY, ENTRY_NODE, ENTRY_STATE, ENTRY_WORDS


def entries_of(arena):
    """Return the words of all entries, one after another."""
    attachment = arena._attachment
    layout = attachment.layout
    words = attachment.memory[
        layout.entries_at : layout.entries_at + layout.n_entries * ENTRY_WORDS
    ]
    return [words[at : at + ENTRY_WORDS] for at in range(0, len(words), ENTRY_WORDS)]


def free_but_used(arena):
    """Return how many entries are free, and a search for a key goes past them all the same."""
    return sum(1 for entry in entries_of(arena) if entry[ENTRY_NODE] and not entry[ENTRY_STATE])


def test_what_is_forgotten_leaves_no_longer_searches(Arena):
    """Else, after as many keys as there are entries, a miss would go through all of them."""
    arena = Arena("1 MiB")
    buffer = arena.alloc(1)
    for number in range(2 * len(entries_of(arena))):
        buffer.keep(f"{number}")
    assert free_but_used(arena) == 0
    buffer.unkeep()
    assert not any(entry[ENTRY_NODE] for entry in entries_of(arena))
    arena.verify()


def test_keys_that_are_left_are_found_after_any_others_were_forgotten(Arena):
    """Also where the directory is full, and where searches go round its end."""
    arena = Arena("4 MiB")
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
    assert not any(entry[ENTRY_NODE] for entry in entries_of(arena))


def test_what_has_no_key_takes_the_entries_in_turns(Arena):
    """From one place on, each would go past all those before it."""
    arena = Arena("4 MiB")
    for _ in range(100):
        arena.alloc(1, keep=True)
    used = [entry[ENTRY_STATE] != 0 for entry in entries_of(arena)]
    assert used == [True] * 100 + [False] * (len(used) - 100)


def holed(arena):
    """Keep buffers, and unmake every entry that is free again, as a power cut may; return the keys."""
    buffers = {f"{number}": arena.alloc(1, keep=f"{number}") for number in range(200)}
    for number in range(0, 200, 2):
        buffers.pop(f"{number}").unkeep()
    for entry in entries_of(arena):
        if not entry[ENTRY_STATE]:
            entry[ENTRY_NODE] = 0
    return sorted(buffers)


def is_found(arena, key):
    """Whether the search for a key comes to it."""
    try:
        arena[key]
    except KeyError:
        return False
    return True


def test_recovery_makes_every_key_found_again(Arena):
    arena = Arena("4 MiB")
    keys = holed(arena)
    assert not all(is_found(arena, key) for key in keys)
    arena._attachment.memory[A_BUSY] = 2 << 32 | 1
    assert all(is_found(arena, key) for key in keys)
    arena.verify()


def test_verify_tells_of_a_key_that_is_not_found(Arena):
    arena = Arena("4 MiB")
    holed(arena)
    with pytest.raises(CorruptMetadata, match="found by its key"):
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
    buffers[7].keep("400")
    assert ("400" in arena, "7" in arena) == (True, False)
