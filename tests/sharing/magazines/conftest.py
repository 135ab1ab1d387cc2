"""Fixtures: an arena whose processes have magazines, and functions that read the magazines."""

from __future__ import annotations

import pytest

from pagebuddy.sharing.words import (
    MAGAZINE_WORDS,
    SLOT_MAGAZINE,
    SLOT_WORDS,
)
from tests.sharing.magazines.sizes import PAGE, SMALL_ARENA


@pytest.fixture
def n_pages():
    """The pages of the arena. A test with rounds of several sizes is given them as a parameter."""
    return SMALL_ARENA


@pytest.fixture
def arena(silent, Arena, engine, n_pages):
    """An arena whose processes have magazines. It is verified at the end of the test."""
    if engine == "uncompiled":
        pytest.skip("the uncompiled engine has no mutex, and no magazines")
    arena = Arena(n_pages * PAGE)
    yield arena
    arena.reap(unclaimed_after=0)
    arena.verify()


@pytest.fixture
def slot_words():
    """Return a function that reads the words of a slot without changing them."""
    return _slot_words


@pytest.fixture
def rounds_of():
    """Return a function that lists the offsets of the rounds in a slot's magazine, unnoticed."""
    return _rounds_of


@pytest.fixture
def words_but_magazines():
    """Return a function that reads all words before the pages, except the magazines."""
    return _words_but_magazines


def _slot_words(arena, slot):
    at = arena._attachment.layout.slots_at + slot * SLOT_WORDS
    return arena._attachment.memory[at : at + SLOT_WORDS]


def _rounds_of(arena, slot=1):
    words = _slot_words(arena, slot)[SLOT_MAGAZINE : SLOT_MAGAZINE + MAGAZINE_WORDS].tolist()
    return sorted(((word >> 32 & 0x7FFF_FFFF) - 64) * PAGE for word in words if word)


def _words_but_magazines(arena):
    layout = arena._attachment.layout
    words = memoryview(bytearray(arena._attachment.memory)).cast("Q")
    for slot in range(layout.n_slots):
        at = layout.slots_at + slot * SLOT_WORDS + SLOT_MAGAZINE
        words[at : at + MAGAZINE_WORDS] = memoryview(bytes(8 * MAGAZINE_WORDS)).cast("Q")
    return words.tobytes()
