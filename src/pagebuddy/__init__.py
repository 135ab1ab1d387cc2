"""pagebuddy: a buddy page allocator.

Runs of pages from any memory, from a region of numbers, or from memory that processes share.
"""

from pagebuddy.arena import Arena
from pagebuddy.arena_stats import ArenaStats
from pagebuddy.chosen import COMPILED, BuddyAllocator, Buffer
from pagebuddy.errors import (
    ArenaClosed,
    ArenaExists,
    ArenaNotFound,
    BadFree,
    CorruptMetadata,
    OutOfPages,
    OutOfSlots,
    OutOfTickets,
    PageBuddyError,
    StaleHandle,
)
from pagebuddy.ranges import PageRanges
from pagebuddy.stats import Stats

__version__ = "0.1.0"

__all__ = [
    "Arena",
    "Buffer",
    "ArenaStats",
    "BuddyAllocator",
    "PageRanges",
    "Stats",
    "COMPILED",
    "PageBuddyError",
    "OutOfPages",
    "BadFree",
    "StaleHandle",
    "CorruptMetadata",
    "OutOfSlots",
    "OutOfTickets",
    "ArenaExists",
    "ArenaNotFound",
    "ArenaClosed",
    "__version__",
]
