"""Arenas and buffers in reference cycles, which the garbage collector ends in an order of its own."""

from __future__ import annotations

import gc

import pytest


class Thing:
    """What may refer to itself."""


@pytest.mark.parametrize("lock", [None, "file"])
@pytest.mark.parametrize("kind", ["anonymous", "named", "file"])
def test_an_arena_in_a_cycle(make, kind, lock, name, left_behind):
    before = left_behind()
    arena = make[kind]("1 MiB", lock=lock)
    arena.itself = arena
    arena.unlink()
    del arena
    gc.collect()
    after = left_behind()
    if kind == "file":
        before["files"] = after["files"]
    assert after == before


def test_an_arena_in_a_cycle_frees_its_slot(Arena, start):
    arena = Arena("1 MiB")
    other = start(
        "import gc\n"
        "arena = Arena.attach(int(sys.argv[1]))\n"
        "arena.itself = arena\n"
        "del arena; gc.collect()\n"
        "say(1); hear()",
        arena.fileno(),
        fds=(arena.fileno(),),
    )
    assert other.hear() == "1"
    assert arena.stats().processes == 1
    assert other.end() == 0


def test_buffers_in_a_cycle(arena):
    before = arena.stats()
    thing = Thing()
    thing.itself = thing
    thing.arena = arena
    thing.buffer = arena.alloc(5000)
    thing.view = arena.alloc(5000).view
    assert arena.stats().used == 4
    del thing
    gc.collect()
    assert arena.stats() == before
    arena.verify()


def test_an_arena_over_memory_in_a_cycle(Arena):
    thing = Thing()
    thing.memory = bytearray(1 << 16)
    thing.arena = Arena.over(thing.memory)
    thing.view = thing.arena.alloc(5).view
    thing.itself = thing
    del thing
    gc.collect()
