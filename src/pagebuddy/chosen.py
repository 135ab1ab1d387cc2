"""Which engine is used: the compiled one where it was built, else the same files as they are.

PAGEBUDDY_PURE=1 chooses the uncompiled one; PAGEBUDDY_REQUIRE_COMPILED=1 refuses it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagebuddy.allocator import BuddyAllocator


def _choose() -> tuple[type[BuddyAllocator], bool]:
    if os.environ.get("PAGEBUDDY_PURE") != "1":
        try:
            from pagebuddy._compiled import BuddyAllocator

            return BuddyAllocator, True
        except ImportError:
            if os.environ.get("PAGEBUDDY_REQUIRE_COMPILED") == "1":
                raise
    from pagebuddy.allocator import BuddyAllocator

    return BuddyAllocator, False


if not TYPE_CHECKING:
    BuddyAllocator, COMPILED = _choose()
else:
    COMPILED: bool

__all__ = ["COMPILED", "BuddyAllocator"]
