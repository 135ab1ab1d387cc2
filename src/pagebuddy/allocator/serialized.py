"""Make the calls on an uncompiled allocator run one at a time. `BuddyAllocator` uses it.

A compiled call holds the GIL from its first store to its last. Uncompiled, another thread can run, and
Ctrl-C can interrupt, between any two stores. So calls wait for each other, and after an unexpected
exception the allocator is repaired from its records. Arguments can run code that calls the same
allocator, a generator over its spans for example. So they are read before the call begins.
"""

from __future__ import annotations

from functools import wraps
from operator import index
from typing import TYPE_CHECKING

from pagebuddy.allocator.vectors import words_of_vector
from pagebuddy.errors import PageBuddyError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

# Methods raise these before they have changed anything.
EXPECTED = (PageBuddyError, TypeError, ValueError)


def number_read(argument: Any) -> Any:
    """Return an argument as an int; itself if it is not an integer, which the method will refuse."""
    if type(argument) is int or argument is None:
        return argument
    try:
        return index(argument)
    except TypeError:
        return argument


def numbers_read(argument: Any) -> Any:
    """Return an array's words, or a list of what an iterable yields; itself if it is neither."""
    words = words_of_vector(argument)
    if words is not None:
        return words
    try:
        items = iter(argument)
    except TypeError:
        return argument
    return [number_read(item) for item in items]


def serialize_calls(
    cls: type,
    names: Collection[str],
    repair: Callable[[Any], None],
    batches: Collection[str] = (),
) -> None:
    """Replace the methods of these names by ones that run one at a time on each object.

    An object has its lock in `call_lock`, and whether a call is running in `in_call`. `repair` is called
    with the object after an unexpected exception. The arguments of the methods in `batches` are arrays
    or iterables of numbers, those of all others are numbers.
    """

    def serialized(method: Callable[..., Any], read: Callable[[Any], Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            args = tuple([read(argument) for argument in args])
            if kwargs:
                kwargs = {name: read(argument) for name, argument in kwargs.items()}
            with self.call_lock:
                if self.in_call:
                    raise RuntimeError(
                        f"{method.__name__} was called inside another call on the same allocator, "
                        "by a signal handler or a finalizer; call it from ordinary code"
                    )
                self.in_call = True
                try:
                    return method(self, *args, **kwargs)
                except EXPECTED:
                    raise
                except BaseException:
                    repair(self)
                    raise
                finally:
                    self.in_call = False

        return call

    for name in (*names, *batches):
        read = numbers_read if name in batches else number_read
        setattr(cls, name, serialized(getattr(cls, name), read))
