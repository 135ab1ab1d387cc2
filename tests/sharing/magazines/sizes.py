"""The arenas of the tests of magazines, and the largest rounds that they can have, in pages."""

from __future__ import annotations

from pagebuddy.sharing.words import LARGE_SHARE, MOST_SMALL_PAGES

PAGE = 4096

# Here all rounds are small, for a large one may have four pages.
SMALL_ARENA = 256
LARGE_ARENA = 4096
LARGEST = LARGE_ARENA >> LARGE_SHARE

# A small and a large round, each with the arena for it.
LONGEST_ROUNDS = [(SMALL_ARENA, MOST_SMALL_PAGES), (LARGE_ARENA, LARGEST)]
