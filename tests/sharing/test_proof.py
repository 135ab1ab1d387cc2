"""What `verify` proves of an arena, and that it sees what is wrong."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("max_order", range(8))
def test_blocks_of_any_size_used_up_to_any_page(Arena, max_order):
    arena = Arena(96 * 64, page_size=64, max_order=max_order, lock="file")
    buffers = []
    for _ in range(96):
        buffers.append(arena.alloc(64))
        arena.verify()
