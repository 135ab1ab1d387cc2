"""What `verify` checks in an arena, and that it finds what is wrong."""

from __future__ import annotations

import pickle

import pytest

from pagebuddy import CorruptMetadata, StaleHandle
from pagebuddy.core.words import FIRST_NODE
from pagebuddy.sharing.words import (
    ENTRY_BYTES,
    ENTRY_GENERATION,
    ENTRY_NODE,
    ENTRY_STATE,
    ENTRY_WORDS,
    TICKET_BYTES,
    TICKET_GENERATION,
    TICKET_NODE,
)


@pytest.mark.parametrize("max_order", range(8))
def test_an_arena_with_any_max_order_filled_up_to_any_page_is_valid(Arena, max_order):
    arena = Arena(96 * 64, page_size=64, max_order=max_order, lock="file")
    buffers = []
    for _ in range(96):
        buffers.append(arena.alloc(64))
        arena.verify()


def words_of(arena):
    return arena._attachment.memory, arena._attachment.layout


def entry_in_use(words, layout):
    entries = range(layout.entries_at, layout.tickets_at, ENTRY_WORDS)
    return next(at for at in entries if words[at + ENTRY_STATE])


@pytest.mark.parametrize("wrong", [0, 4097, 1 << 63])
def test_an_impossible_size_of_a_kept_buffer_is_found_and_repaired(Arena, wrong):
    arena = Arena("1 MiB", lock="file")
    arena.alloc(100, keep="key")
    words, layout = words_of(arena)
    words[entry_in_use(words, layout) + ENTRY_BYTES] = wrong
    with pytest.raises(CorruptMetadata, match="every entry of the directory"):
        arena.verify()
    with pytest.raises(CorruptMetadata, match="every entry of the directory"):
        arena["key"]
    assert arena["key"].nbytes == 4096, "mended: all of its pages"
    arena.verify()


@pytest.mark.parametrize("wrong", [0, 4097, 1 << 63])
def test_an_impossible_size_of_a_ticket_is_found_and_repaired(Arena, wrong):
    arena = Arena("1 MiB", lock="file")
    handle = pickle.dumps(arena.alloc(100))
    words, layout = words_of(arena)
    words[layout.tickets_at + TICKET_BYTES] = wrong
    with pytest.raises(CorruptMetadata, match="every ticket"):
        arena.verify()
    with pytest.raises(CorruptMetadata, match="every ticket"):
        pickle.loads(handle)
    assert pickle.loads(handle).nbytes == 4096, "mended: all of its pages"
    arena.verify()


@pytest.mark.parametrize("word", [TICKET_NODE, TICKET_GENERATION])
@pytest.mark.parametrize("wrong", [1, 1 << 20, 1 << 63])
def test_a_ticket_of_a_missing_buffer_is_found_and_dropped(Arena, word, wrong):
    arena = Arena("1 MiB", lock="file")
    handle = pickle.dumps(arena.alloc(100))
    words, layout = words_of(arena)
    words[layout.tickets_at + word] ^= wrong
    with pytest.raises(CorruptMetadata, match="every ticket names a live buffer"):
        pickle.loads(handle)
    # Repaired: the buffer had no holder and no ticket.
    assert (arena.stats().used, arena.stats().tickets) == (0, 0)
    with pytest.raises(StaleHandle):
        pickle.loads(handle)
    arena.verify()


@pytest.mark.parametrize("word", [ENTRY_NODE, ENTRY_GENERATION])
@pytest.mark.parametrize("wrong", [1, 1 << 20, 1 << 63])
def test_an_entry_of_a_missing_buffer_is_found_and_dropped(Arena, word, wrong):
    arena = Arena("1 MiB", lock="file")
    arena.alloc(100, keep="key")
    words, layout = words_of(arena)
    words[entry_in_use(words, layout) + word] ^= wrong
    with pytest.raises(CorruptMetadata, match="every entry of the directory"):
        arena["key"]
    # Repaired: the buffer had no holder, and is no longer kept.
    assert (arena.stats().used, arena.stats().kept) == (0, 0)
    with pytest.raises(KeyError):
        arena["key"]
    arena.verify()


def test_a_buffer_keeps_the_capacity_that_it_was_made_with(Arena):
    arena = Arena("1 MiB", lock="file")
    buffer = arena.alloc(100)
    words, layout = words_of(arena)
    record = layout.metadata_at + layout.geometry.records_at + FIRST_NODE
    words[record] ^= 8 << 32
    assert arena.buffer_of(buffer.view).capacity == 4096
    words[record] ^= 8 << 32


def test_recovery_ends_if_stray_bytes_look_like_a_record(Arena):
    arena = Arena("1 MiB", lock="file")
    buffer = arena.alloc(100)
    words, layout = words_of(arena)
    words[layout.metadata_at + layout.geometry.records_at + FIRST_NODE + 100] = 1 << 63
    arena.recover()
    arena.verify()
    assert [row.offset for row in arena.buffers()] == [buffer.offset]
