"""Words that stop the engine after any store: every store is a point where a process may die."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pagebuddy.allocator.buddy import BuddyAllocator


class Crash(BaseException):
    """The engine was stopped, as if its process had been killed."""


def crash() -> None:
    """What happens at the store that is over the budget, unless another end is given."""
    raise Crash


class Budget:
    """How many stores are left until the crash; None for no limit. `spent` counts them.

    `end` is called instead of the store that is over the budget: it raises, or ends the process.
    """

    def __init__(self, left: int | None = None, end: Callable[[], object] = crash) -> None:
        self.left = left
        self.spent = 0
        self.end = end

    def spend(self) -> None:
        """One store more."""
        if self.left is not None and self.spent == self.left:
            self.end()
        self.spent += 1


class StoppingWords:
    """A memoryview of words that raises `Crash` instead of the store that is over the budget.

    It goes on doing so: the dead store nothing, whatever exception handlers try.
    """

    def __init__(self, words: memoryview, budget: Budget) -> None:
        self.words = words
        self.budget = budget

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return StoppingWords(self.words[index], self.budget)
        return self.words[index]

    def tobytes(self) -> bytes:
        """The words as bytes."""
        return self.words.tobytes()

    def __setitem__(self, index: Any, value: Any) -> None:
        self.budget.spend()
        self.words[index] = value


def arm(buddy: BuddyAllocator) -> Budget:
    """Make an uncompiled allocator stoppable; return the budget that says when."""
    budget = Budget()
    _stop(buddy, ("words", "links"), budget)
    return budget


SHARED_WORDS = ("base", "slots", "words", "links", "holds", "entries", "tickets", "_memory")
"""All ways by which an attachment to an arena comes to words that others see."""


def arm_attachment(attachment: Any, budget: Budget) -> Any:
    """Make an uncompiled attachment to an arena stoppable, and return it.

    What is its process's own, the local counts, dies with the process, and is left as it is.
    """
    _stop(attachment, SHARED_WORDS, budget)
    return attachment


def engine_of_the_mortal(budget: Budget) -> Any:
    """Return an uncompiled engine for `Arena._engine` whose attachments stop by this budget.

    To its own process it is another than the engine it is made from: one process then plays two.
    """
    from pagebuddy.buffers import uncompiled

    def attach(*parts: Any) -> Any:
        return arm_attachment(uncompiled.Attachment(*parts), budget)

    own = {"__name__": f"pagebuddy of {id(budget)}", "Attachment": attach}
    return SimpleNamespace(**{**vars(uncompiled), **own})


def _stop(state: Any, names: Iterable[str], budget: Budget) -> None:
    for name in names:
        setattr(state, name, StoppingWords(getattr(state, name), budget))


def crash_points(
    start: bytes, operation: Callable[[BuddyAllocator], object], attach: Callable[[Any], Any]
) -> list[bytes]:
    """Return the metadata after each store of an operation, begun from the metadata `start`.

    The first is from before the first store, the last from after the last. `attach` makes an uncompiled
    allocator of a copy of the bytes.

    >>> from pagebuddy.allocator.buddy import BuddyAllocator
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
