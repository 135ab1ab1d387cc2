"""A walk through an arena reads little if few buffers are live."""

from __future__ import annotations

import pytest

WALKS = {
    "buffers": lambda arena: list(arena.buffers()),
    "processes": lambda arena: arena.processes(),
    "stats": lambda arena: arena.stats(),
}


@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_skips_the_cached_run(Arena, engine, walk, counted):
    if engine == "compiled":
        pytest.skip("reads are counted uncompiled")
    arena = Arena("64 MiB")
    held = arena.alloc(4096)
    arena.alloc("60 MiB")
    links = counted(arena._attachment.records)
    arena._attachment.records = links
    WALKS[walk](arena)
    assert 0 < links.reads < 2000
    assert held.nbytes == 4096
