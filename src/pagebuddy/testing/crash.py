"""Stop the uncompiled engine after any store, as if its process were killed there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pagebuddy.allocator.buddy import BuddyAllocator


class Crash(BaseException):
    """Raised instead of a store, as if the process had been killed."""


def crash() -> None:
    """Raise `Crash`: the default end of a `Budget`."""
    raise Crash


class Budget:
    """Counts stores, and ends the program at a given one.

    Parameters
    ----------
    left : int, optional
        How many stores succeed. By default there is no limit.
    end : callable, optional
        Called instead of the next store: it raises an exception, or ends the process. By default it
        raises `Crash`.

    Attributes
    ----------
    left : int or None
        How many stores succeed in all; it can be changed.
    spent : int
        How many stores there were.

    Examples
    --------
    >>> budget = Budget(left=1)
    >>> budget.spend()
    >>> budget.spend()
    Traceback (most recent call last):
        ...
    pagebuddy.testing.crash.Crash
    """

    def __init__(self, left: int | None = None, end: Callable[[], object] = crash) -> None:
        self.left = left
        self.spent = 0
        self.end = end

    def spend(self) -> None:
        """Count one store, or end the program if the budget is spent."""
        if self.left is not None and self.spent == self.left:
            self.end()
        self.spent += 1


class StoppingWords:
    """A memoryview of words whose stores are limited by a budget.

    Once the budget is spent, no store succeeds: exception handlers of a dead process must not store.
    """

    def __init__(self, words: memoryview, budget: Budget) -> None:
        self.words = words
        self.budget = budget

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return StoppingWords(self.words[index], self.budget)
        return self.words[index]

    def tobytes(self) -> bytes:
        """Return the words as bytes."""
        return self.words.tobytes()

    def __setitem__(self, index: Any, value: Any) -> None:
        self.budget.spend()
        self.words[index] = value


def arm(buddy: BuddyAllocator) -> Budget:
    """Make an uncompiled allocator stop when a budget is spent.

    Parameters
    ----------
    buddy : BuddyAllocator
        An allocator of the uncompiled engine.

    Returns
    -------
    Budget
        The budget, without a limit. Set `left` to limit it.

    Examples
    --------
    >>> from pagebuddy.allocator.buddy import BuddyAllocator
    >>> buddy = BuddyAllocator(8)
    >>> budget = arm(buddy)
    >>> page = buddy.alloc(1)
    >>> budget.spent > 0
    True
    """
    budget = Budget()
    _stop(buddy, ("words", "groups", "records"), budget)
    return budget


SHARED_WORDS = (
    "base",
    "slots",
    "words",
    "groups",
    "records",
    "holds",
    "entries",
    "tickets",
    "_memory",
)
"""The attributes by which an attachment to an arena reaches words that other processes see."""


def arm_attachment(attachment: Any, budget: Budget) -> Any:
    """Make an uncompiled attachment to an arena stop when a budget is spent, and return it.

    The local counts are not limited: they end with the process.
    """
    _stop(attachment, SHARED_WORDS, budget)
    return attachment


def engine_of_the_mortal(budget: Budget) -> Any:
    """Return an uncompiled engine for `Arena._engine` whose attachments stop when a budget is spent.

    Its attachments are separate from those of other engines, so that one process can play two.
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
    """Return the metadata as it is after each store of an operation.

    Parameters
    ----------
    start : bytes
        The metadata before the operation.
    operation : callable
        Called with an allocator; carries out the operation.
    attach : callable
        Called with a copy of the bytes; returns an allocator of the uncompiled engine.

    Returns
    -------
    list of bytes
        The metadata before the first store, after each store, and after the operation.

    Examples
    --------
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
