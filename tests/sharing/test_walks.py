"""What a walk through an arena reads: little, where little is live."""

from __future__ import annotations

import pytest


class CountingWords:
    """Words that count how often one is read."""

    def __init__(self, words):
        self.words = words
        self.reads = 0

    def __getitem__(self, index):
        self.reads += 1
        return self.words[index]

    def __setitem__(self, index, value):
        self.words[index] = value


WALKS = {
    "buffers": lambda arena: list(arena.buffers()),
    "processes": lambda arena: arena.processes(),
    "stats": lambda arena: arena.stats(),
}


@pytest.mark.parametrize("walk", WALKS)
def test_what_is_aside_is_not_walked_through(Arena, engine, walk):
    if engine == "compiled":
        pytest.skip("reads are counted uncompiled")
    arena = Arena("64 MiB")
    held = arena.alloc(4096)
    arena.alloc("60 MiB")
    links = CountingWords(arena._attachment.links)
    arena._attachment.links = links
    WALKS[walk](arena)
    assert 0 < links.reads < 2000
    assert held.nbytes == 4096
