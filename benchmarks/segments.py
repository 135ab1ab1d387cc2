"""Cases of `pagebuddy.shared_memory` beside `multiprocessing.shared_memory`. Used by `data`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import shared_memory as original
from typing import TYPE_CHECKING, Any

from benchmarks.arrays import repeated
from pagebuddy import shared_memory

if TYPE_CHECKING:
    from pagebuddy.tools.bench.timing import Case

SIZES = (64 << 10, 1 << 20, 16 << 20)
MODULES = {"pagebuddy": shared_memory, "multiprocessing": original}


def create(module: Any, size: int) -> None:
    """Create a segment, close it, and unlink it."""
    segment = module.SharedMemory(create=True, size=size)
    segment.close()
    segment.unlink()


def write(module: Any, content: bytes) -> None:
    """The same, and fill it with bytes meanwhile."""
    segment = module.SharedMemory(create=True, size=len(content))
    segment.buf[:] = content
    segment.close()
    segment.unlink()


def attach(module: Any, name: str) -> None:
    """Attach to a segment, and close it."""
    module.SharedMemory(name).close()


@contextmanager
def all_ways() -> Iterator[list[Case]]:
    """Each call with each module; nothing is left afterwards."""
    cases, attached = [], []
    try:
        for name, module in MODULES.items():
            # Then the user's arena exists, and each module has started what it starts once.
            attached.append(module.SharedMemory(create=True, size=SIZES[0]))
            cases.append(repeated(f"attach {name}", partial(attach, module, attached[-1].name)))
            for size in SIZES:
                cases.append(repeated(f"create {size} {name}", partial(create, module, size)))
                cases.append(repeated(f"write {size} {name}", partial(write, module, b"x" * size)))
        yield cases
    finally:
        for segment in attached:
            segment.unlink()
