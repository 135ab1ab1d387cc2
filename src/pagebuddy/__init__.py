"""pagebuddy: a buddy page allocator.

Runs of pages from any memory, from a region of numbers, or from memory that processes share.
"""

from typing import TYPE_CHECKING, Any

from pagebuddy.allocator.ranges import PageRanges
from pagebuddy.allocator.stats import Stats
from pagebuddy.arena.arena import Arena
from pagebuddy.arena.stats import ArenaStats
from pagebuddy.engine import COMPILED, BuddyAllocator, Buffer
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

if TYPE_CHECKING:
    from pagebuddy.pool.executor import ArenaExecutor

__version__ = "0.1.0"

__all__ = [
    "Arena",
    "ArenaExecutor",
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


def __getattr__(name: str) -> Any:
    """Import what needs `multiprocessing` when it is asked for: it costs a third of all the rest."""
    if name == "ArenaExecutor":
        from pagebuddy.pool.executor import ArenaExecutor

        return ArenaExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
