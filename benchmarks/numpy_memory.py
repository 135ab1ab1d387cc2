"""Cases of results that numpy makes in an arena, beside those in its own memory. Used by `data`.

All memory was used before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.arrays import repeated

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pagebuddy import Arena
    from pagebuddy.tools.bench.timing import Case, Timed

SIZES = (64 << 10, 1 << 20, 16 << 20)
CALLS = ("np.empty", "z + 1", "z + 1, dumps, loads")


def _within(context: Callable[[], AbstractContextManager[Any]], case: Case) -> Case:
    def within(times: int) -> Timed:
        with context():
            return case(times)

    return within


def all_of(arena: Arena) -> Iterator[Case]:
    """Each call in numpy's own memory and in the arena; compared cases are neighbours."""
    for size in SIZES:
        z = np.ones(size // 8)
        calls = (
            lambda n=z.size: np.empty(n),
            lambda z=z: z + 1,
            lambda z=z: arena.loads(arena.dumps(z + 1)),
        )
        for name, call in zip(CALLS, calls, strict=True):
            yield _within(nullcontext, repeated(f"{name} {size} own", call))
            yield _within(arena.numpy_memory, repeated(f"{name} {size} inside", call))
