"""Which engine is used: the compiled one where it was built, else the same files as they are.

PAGEBUDDY_PURE=1 chooses the uncompiled one; PAGEBUDDY_REQUIRE_COMPILED=1 refuses it.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from pagebuddy.sharing import attaching

if TYPE_CHECKING:
    from types import ModuleType

    from pagebuddy.allocator import BuddyAllocator
    from pagebuddy.buffer import Buffer


def _choose() -> tuple[ModuleType, bool]:
    if os.environ.get("PAGEBUDDY_PURE") != "1":
        try:
            return import_module("pagebuddy._compiled"), True
        except ImportError:
            if os.environ.get("PAGEBUDDY_REQUIRE_COMPILED") == "1":
                raise
    return import_module("pagebuddy.uncompiled"), False


ENGINE, COMPILED = _choose()
attaching.use_engine(ENGINE)
"""The module that has the engine's classes, and whether it is the compiled one."""

if not TYPE_CHECKING:
    BuddyAllocator, Buffer = ENGINE.BuddyAllocator, ENGINE.Buffer

__all__ = ["COMPILED", "ENGINE", "BuddyAllocator", "Buffer"]
