"""An arena whose records contradict each other, and one whose high-water mark is wrong."""

from __future__ import annotations

import pytest

from pagebuddy import CorruptMetadata
from pagebuddy.core.words import FIRST_NODE, H_HIGH_WATER, record
from pagebuddy.sharing.words import A_BUSY, A_POISONED, OP_ATTACH


@pytest.fixture
def arena(Arena):
    arena = Arena("1 MiB")
    arena.held = [arena.alloc(4 * 4096), arena.alloc(8 * 4096)]
    return arena


def words_of(arena):
    """Return the arena's words, the engine's words, and the position of its links."""
    attachment = arena._attachment
    engine = attachment.words_of_engine()
    return attachment.memory, engine, attachment.layout.geometry.records_at


def test_overlapping_buffers_poison_an_arena_that_can_still_be_read(arena):
    words, engine, links = words_of(arena)
    first = FIRST_NODE + arena.held[0].offset // 4096
    # The first buffer now ends inside the second, as after a power cut. No process has attached since.
    engine[links + first] = record(9, 1)
    words[A_BUSY] = 1 << 32 | OP_ATTACH
    with pytest.raises(CorruptMetadata, match="no two live buffers share a page"):
        arena.alloc(1)
    assert words[A_POISONED]
    assert words[A_BUSY] == 0
    for act in (lambda: arena.alloc(1), arena.reap, arena.held[1].keep):
        with pytest.raises(CorruptMetadata):
            act()
    assert [row.offset for row in arena.buffers()] == [0], "the other starts inside it"
    with pytest.raises(CorruptMetadata):
        arena.verify()


def test_recovery_finds_buffers_above_a_wrong_high_water_mark(arena):
    _, engine, _ = words_of(arena)
    held = [(row.offset, row.n_pages) for row in arena.buffers()]
    engine[H_HIGH_WATER] = FIRST_NODE + 2
    arena.recover()
    arena.verify()
    assert [(row.offset, row.n_pages) for row in arena.buffers()] == held
