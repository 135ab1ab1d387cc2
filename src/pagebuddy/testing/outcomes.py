"""Check that a call fails and has changed nothing.

Each check is a context manager around one call, and returns the exception as `.error`.
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
    """The exception of a call, as `error`, after the block has ended."""

    error: Error


@contextmanager
def refused(
    buddy: BuddyAllocator, error: type[Error], *, reason: str | None = None, says: object = ""
) -> Iterator[Caught[Error]]:
    """Check that a call raises an error and changes no byte of the metadata.

    Parameters
    ----------
    buddy : BuddyAllocator
        The allocator that the call is made on.
    error : type
        The class of the expected exception.
    reason : str, optional
        The expected attribute `reason`, if the exception is a `BadFree`. Not checked by default.
    says : object, optional
        A text, or a number, that the message must contain. Not checked by default.

    Yields
    ------
    Caught
        Its attribute `error` is the exception, once the block has ended.

    Raises
    ------
    AssertionError
        If the call does not fail in this way, or changes the metadata.

    Examples
    --------
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
    _hold(
        bytes(buddy.metadata) == before,
        f"a call that failed has changed the metadata: {caught.error}",
    )
    _hold(str(says) in str(caught.error), f"{str(says)!r} is not in the message: {caught.error}")
    found = getattr(caught.error, "reason", None)
    _hold(reason in (None, found), f"the reason is {found!r}; expected {reason!r}")


@contextmanager
def out_of_pages(buddy: BuddyAllocator) -> Iterator[Caught[OutOfPages]]:
    """Check that a call raises `OutOfPages` and changes neither live spans nor free pages.

    Parameters
    ----------
    buddy : BuddyAllocator
        The allocator that the call is made on.

    Yields
    ------
    Caught
        Its attribute `error` is the exception, once the block has ended.

    Raises
    ------
    AssertionError
        If the call does not raise `OutOfPages`, or changes live spans or free pages.

    Notes
    -----
    The call may return cached pages to the free lists, so bytes of the metadata may change. Copies of
    the metadata are compared, each with its cached pages returned to the free lists.

    Examples
    --------
    >>> from pagebuddy import BuddyAllocator
    >>> buddy = BuddyAllocator(8)
    >>> with out_of_pages(buddy) as caught:
    ...     page = buddy.alloc(9)
    >>> caught.error.free
    8
    """
    before = _settled(buddy)
    caught = Caught[OutOfPages]()
    try:
        yield caught
    except OutOfPages as raised:
        caught.error = raised
    else:
        raise AssertionError("OutOfPages was not raised")
    _hold(
        _settled(buddy) == before,
        f"a call that failed has changed spans or free pages: {caught.error}",
    )


def _settled(buddy: BuddyAllocator) -> object:
    copy = buddy.attach(bytearray(buddy.metadata))
    spans = [(page, n, copy.generation_of(page)) for page, n in copy.spans()]
    return spans, sorted(copy.free_blocks())


def _hold(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)
