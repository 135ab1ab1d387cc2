"""What a walk through an arena reads: little, where little is live."""

from __future__ import annotations

import pytest

WALKS = {
    "buffers": lambda arena: list(arena.buffers()),
    "processes": lambda arena: arena.processes(),
    "stats": lambda arena: arena.stats(),
}


@pytest.mark.parametrize("walk", WALKS)
def test_what_is_aside_is_not_walked_through(Arena, engine, walk, counted):
    if engine == "compiled":
        pytest.skip("reads are counted uncompiled")
    arena = Arena("64 MiB")
    held = arena.alloc(4096)
    arena.alloc("60 MiB")
    links = counted(arena._attachment.links)
    arena._attachment.links = links
    WALKS[walk](arena)
    assert 0 < links.reads < 2000
    assert held.nbytes == 4096
