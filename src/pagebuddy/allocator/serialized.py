"""Make the calls on an uncompiled allocator run one at a time. `BuddyAllocator` uses it.

A compiled call holds the GIL from its first store to its last. Uncompiled, another thread can run, and
Ctrl-C can interrupt, between any two stores. So calls wait for each other, and after an unexpected
exception the allocator is repaired from its records.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

from pagebuddy.errors import PageBuddyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

# Methods raise these before they have changed anything.
EXPECTED = (PageBuddyError, TypeError, ValueError)


def serialize_calls(cls: type, names: Iterable[str], repair: Callable[[Any], None]) -> None:
    """Replace the methods of these names by ones that run one at a time on each object.

    An object has its lock in `call_lock`, and whether a call is running in `in_call`. `repair` is called
    with the object after an unexpected exception.
    """

    def serialized(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
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

    for name in names:
        setattr(cls, name, serialized(getattr(cls, name)))
