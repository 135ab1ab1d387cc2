"""Chooses the engine: the compiled one if it was built, else the same files uncompiled.

PAGEBUDDY_PURE=1 chooses the uncompiled engine. With PAGEBUDDY_REQUIRE_COMPILED=1, a missing compiled
engine is an ImportError.
"""

from __future__ import annotations

import copyreg
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from pagebuddy.pickled import permanent
from pagebuddy.sharing.joining import attaching

if TYPE_CHECKING:
    import pagebuddy._compiled as compiled
    from pagebuddy.allocator.buddy import BuddyAllocator
    from pagebuddy.buffers import uncompiled
    from pagebuddy.buffers.buffer import Buffer
    from pagebuddy.sharing import attached as sharing_types

    class Engine(sharing_types.Engine, Protocol):
        """The module of an engine, with what arenas need besides what sharing needs."""

        BufferSource: Any

        def describe_alloc(self, text: str) -> None:
            """Give `BufferSource.alloc` the docstring of the method that it stands for."""

        def kept_zeros(self, a: Any, n_bytes: int, key: memoryview) -> Any:
            """Return a new buffer of zeros that is kept under a key."""

        def forgotten(self, a: Any, key: memoryview, offset: int) -> bool:
            """Stop keeping the buffer at an offset; return whether the key was its own."""

        def wait_for_any(
            self, addresses: list[int], seen: list[int], milliseconds: int, pause: int
        ) -> None:
            """Wait for one of several futexes to change."""

        def wake_at(self, address: int) -> None:
            """Wake all who wait for the futex at an address."""

    # Both modules are engines: the type checker proves it here.
    _engines: tuple[Engine, Engine] = (compiled, uncompiled)


def _choose() -> tuple[Engine, bool]:
    if os.environ.get("PAGEBUDDY_PURE") != "1":
        try:
            return cast("Engine", import_module("pagebuddy._compiled")), True
        except ImportError:
            if os.environ.get("PAGEBUDDY_REQUIRE_COMPILED") == "1":
                raise
    return cast("Engine", import_module("pagebuddy.buffers.uncompiled")), False


ENGINE, COMPILED = _choose()
attaching.use_engine(ENGINE)
"""The module with the engine's classes, and whether it is the compiled one."""

if not TYPE_CHECKING:
    BuddyAllocator, Buffer = ENGINE.BuddyAllocator, ENGINE.Buffer


@permanent
def attached(metadata: bytearray) -> BuddyAllocator:
    """Return an unpickled allocator, with the engine that is chosen in this process."""
    return BuddyAllocator.attach(metadata)


def _reduced(buddy: BuddyAllocator) -> tuple[Any, ...]:
    return attached, buddy.__reduce__()[1]


copyreg.pickle(BuddyAllocator, _reduced)

__all__ = ["COMPILED", "ENGINE", "BuddyAllocator", "Buffer"]
