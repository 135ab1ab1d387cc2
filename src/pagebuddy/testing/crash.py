"""Words that stop the engine after any store: every store is a point where a process may die."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pagebuddy.allocator import BuddyAllocator


class Crash(BaseException):
    """The engine was stopped, as if its process had been killed."""


class Budget:
    """How many stores are left until the crash; None for no limit. `spent` counts them."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.spent = 0


class StoppingWords:
    """A memoryview of words that raises `Crash` instead of the store that is over the budget.

    It goes on doing so: the dead store nothing, whatever exception handlers try.
    """

    def __init__(self, words: memoryview, budget: Budget) -> None:
        self.words = words
        self.budget = budget

    def __getitem__(self, index: int) -> int:
        return self.words[index]

    def __setitem__(self, index: int, value: int) -> None:
        if self.budget.left is not None and self.budget.spent == self.budget.left:
            raise Crash
        self.budget.spent += 1
        self.words[index] = value


def arm(buddy: BuddyAllocator) -> Budget:
    """Make an uncompiled allocator stoppable; return the budget that says when."""
    budget = Budget()
    state: Any = buddy
    state.words = StoppingWords(state.words, budget)
    state.links = StoppingWords(state.links, budget)
    return budget


def crash_points(
    start: bytes, operation: Callable[[BuddyAllocator], object], attach: Callable[[Any], Any]
) -> list[bytes]:
    """Return the metadata after each store of an operation, begun from the metadata `start`.

    The first is from before the first store, the last from after the last. `attach` makes an uncompiled
    allocator of a copy of the bytes.

    >>> from pagebuddy.allocator import BuddyAllocator
    >>> start = bytes(BuddyAllocator(8).metadata)
    >>> points = crash_points(start, lambda buddy: buddy.alloc(8), BuddyAllocator.attach)
    >>> points[0] == start, len(points) > 3
    (True, True)
    """
    points: list[bytes] = []
    while True:
        metadata = bytearray(start)
        buddy = attach(metadata)
        budget = arm(buddy)
        budget.left = len(points)
        try:
            operation(buddy)
        except Crash:
            points.append(bytes(metadata))
        else:
            points.append(bytes(metadata))
            return points
