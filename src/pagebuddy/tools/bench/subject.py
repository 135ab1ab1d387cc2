"""The engine under measurement, and the size of the memory that it manages."""

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
    """Calls that do nothing, and a loop; the compiled engine has the same as `_Bench`."""

    def nothing(
        self,
        n: int,
        *,
        above: int | None = None,
        below: int | None = None,
        align: int | None = None,
    ) -> int:
        """Do nothing, with a parameter and options like those of `alloc` and `free`."""
        return n

    def plain(self, n: int, /) -> int:
        """Do nothing, with one parameter and no options."""
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
    """The prefix of the names of its samples."""

    allocator: type[BuddyAllocator]
    compiled: bool

    arena: type[Arena]
    """A class of arenas that uses this engine."""

    bench: Any
    """Calls that do nothing, and a loop of `free(alloc(n))`; compiled if the engine is."""

    @property
    def n_pages(self) -> int:
        """1 GiB in pages of 4 KiB; uncompiled 16 MiB, because it is a thousand times slower."""
        return 1 << 18 if self.compiled else 1 << 12

    @property
    def n_operations(self) -> int:
        """The length of a list of operations that may have any length."""
        return self.n_pages

    def of(self, part: str) -> str:
        """The name of the samples of a part of a case."""
        return f"{self.name}.{part}"


def chosen(*, compiled: bool) -> Subject:
    """The compiled engine, or the same files uncompiled."""
    if compiled:
        return compiled_subject("engine", import_module("pagebuddy._compiled"))
    module = import_module("pagebuddy.buffers.uncompiled")
    return Subject("engine", module.BuddyAllocator, False, _arena_of(module), Bench())


def compiled_subject(name: str, module: ModuleType) -> Subject:
    """The engine in an extension, under a name for its samples."""
    return Subject(name, module.BuddyAllocator, True, _arena_of(module), module._Bench())


def _arena_of(engine: ModuleType) -> type[Arena]:
    return type("Arena", (pagebuddy.Arena,), {"_engine": engine})


def default_is_compiled() -> bool:
    """Whether `pagebuddy` uses the compiled engine."""
    return bool(pagebuddy.COMPILED)
