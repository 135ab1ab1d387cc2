"""What must hold when a call fails: nothing was changed by it.

Each is a context manager over one call, and gives the error caught as `.error`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from pagebuddy.errors import OutOfPages

if TYPE_CHECKING:
    from pagebuddy import BuddyAllocator

Error = TypeVar("Error", bound=Exception)


class Caught(Generic[Error]):
    """The error of a call, there once the block has ended."""

    error: Error


@contextmanager
def refused(
    buddy: BuddyAllocator, error: type[Error], *, reason: str | None = None, says: object = ""
) -> Iterator[Caught[Error]]:
    """The call raises `error` and changes no byte of the metadata.

    `reason` is that of a `BadFree`; `says` must stand in the message. `AssertionError` otherwise.

    >>> from pagebuddy import BuddyAllocator
    >>> buddy = BuddyAllocator(8)
    >>> with refused(buddy, ValueError, says=-5):
    ...     buddy.alloc(-5)
    """
    before = bytes(buddy.metadata)
    caught = Caught[Error]()
    try:
        yield caught
    except error as raised:
        caught.error = raised
    else:
        raise AssertionError(f"{error.__name__} was not raised")
    _hold(bytes(buddy.metadata) == before, f"bytes were changed by a call refused: {caught.error}")
    _hold(str(says) in str(caught.error), f"{str(says)!r} is not in the message: {caught.error}")
    found = getattr(caught.error, "reason", None)
    _hold(reason in (None, found), f"the reason is {found!r}, and must be {reason!r}")


@contextmanager
def out_of_pages(buddy: BuddyAllocator) -> Iterator[Caught[OutOfPages]]:
    """The call raises `OutOfPages`, and no span and no page's being free changes by it.

    What was aside may have been settled, so a copy of the bytes is compared, settled itself.
    `AssertionError` otherwise.
    """
    before = _settled(buddy)
    caught = Caught[OutOfPages]()
    try:
        yield caught
    except OutOfPages as raised:
        caught.error = raised
    else:
        raise AssertionError("OutOfPages was not raised")
    _hold(_settled(buddy) == before, f"spans or free pages were changed by {caught.error}")


def _settled(buddy: BuddyAllocator) -> object:
    copy = buddy.attach(bytearray(buddy.metadata))
    spans = [(page, n, copy.generation_of(page)) for page, n in copy.spans()]
    return spans, sorted(copy.free_blocks())


def _hold(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)
