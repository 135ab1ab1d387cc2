"""An arena as pictures are drawn from it, and what a notebook shows."""

from __future__ import annotations

import os
import random
from xml.etree import ElementTree

from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.tools.arenas.arena_layout import layout_of


def test_the_free_blocks_are_the_arenas(Arena):
    arena = Arena("1 MiB", max_order=6)
    chance = random.Random(7)
    live = []
    for _ in range(300):
        if chance.random() < 0.6 and arena.stats().largest_free >= 8:
            live.append(arena.alloc(chance.randint(1, 8 * 4096)))
        elif live:
            live.pop(chance.randrange(len(live)))
        layout, stats = layout_of(arena), arena.stats()
        assert tuple(layout.n_blocks) == stats.free_blocks
        assert layout.n_pages - layout.n_free == stats.used
    assert sum(n for n, _ in layout.held) == len(live)


def test_holders_have_names(arena, name, die):
    buffer = arena.alloc(20_000)
    arena.alloc(1, keep=True)
    die(5000)
    with Snapshot(f"/dev/shm/{name}") as snapshot:
        first, *others = layout_of(snapshot).holders
    assert first.startswith(f"{os.getpid()} ")
    assert sorted(other.partition(" ")[0] for other in others) == ["dead", "kept"]
    del buffer


def test_a_notebook_shows_it(Arena):
    arena = Arena("1 MiB")
    buffer = arena.alloc(20_000)
    html, svg = arena._repr_html_(), arena._repr_svg_()
    for text in (html, svg):
        ElementTree.fromstring(text)
        assert "Arena of 1 MiB" in text
        assert str(os.getpid()) in text
    arena.close()
    assert arena._repr_html_() is arena._repr_svg_() is None
    del buffer
