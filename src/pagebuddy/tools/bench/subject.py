"""Which engine is measured, and how large the memory is that it manages."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pagebuddy

if TYPE_CHECKING:
    from types import ModuleType

    from pagebuddy import Arena, BuddyAllocator


class Bench:
    """What the extension has for benchmarks, uncompiled: calls that do nothing, and a loop."""

    def nothing(
        self,
        n: int,
        *,
        above: int | None = None,
        below: int | None = None,
        align: int | None = None,
    ) -> int:
        """A parameter and options, as `alloc` and `free` have them."""
        return n

    def plain(self, n: int, /) -> int:
        """One parameter and no options."""
        return n

    def pairs(self, buddy: BuddyAllocator, n: int, count: int) -> None:
        """Allocate n pages and free them, count times."""
        alloc, free = buddy.alloc, buddy.free
        for _ in repeat(None, count):
            free(alloc(n))


@dataclass(frozen=True)
class Subject:
    """An engine under measurement."""

    name: str
    """Stands before the names of its samples."""

    allocator: type[BuddyAllocator]
    compiled: bool

    arena: type[Arena]
    """Whose arenas work by this engine."""

    bench: Any
    """Calls that do nothing, and a loop of `free(alloc(n))`, both compiled if the engine is."""

    @property
    def n_pages(self) -> int:
        """1 GiB of 4 KiB pages; uncompiled a 64th of it, as all takes a thousand times longer."""
        return 1 << 18 if self.compiled else 1 << 12

    @property
    def n_operations(self) -> int:
        """The length of a prepared list whose end does not follow from the number of pages."""
        return self.n_pages

    def of(self, part: str) -> str:
        """The name of the samples of one part of a case."""
        return f"{self.name}.{part}"


def chosen(*, compiled: bool) -> Subject:
    """The compiled engine, or the same files uncompiled."""
    if compiled:
        module = import_module("pagebuddy._compiled")
        return Subject("engine", module.BuddyAllocator, True, _arena_of(module), module._Bench())
    module = import_module("pagebuddy.buffers.uncompiled")
    return Subject("engine", module.BuddyAllocator, False, _arena_of(module), Bench())


def without_checks() -> Subject | None:
    """The compiled engine built with its checks left out, where such a build is there."""
    try:
        module = import_module("pagebuddy._unchecked")
    except ImportError:
        return None
    return Subject("unchecked", module.BuddyAllocator, True, _arena_of(module), module._Bench())


def _arena_of(engine: ModuleType) -> type[Arena]:
    return type("Arena", (pagebuddy.Arena,), {"_engine": engine})


def default_is_compiled() -> bool:
    """Whether `pagebuddy` itself chose the compiled engine."""
    return bool(pagebuddy.COMPILED)
