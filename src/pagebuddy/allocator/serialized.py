"""One call at a time, for the uncompiled engine.

Compiled, a call holds the interpreter's lock from its first store to its last. Uncompiled, another
thread can run between any two, and Ctrl-C can strike there: so calls take turns, and after a foreign
exception the lists are rebuilt from the records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from pagebuddy.errors import PageBuddyError

ORDINARY = (PageBuddyError, TypeError, ValueError)


def take_turns(cls: type, names: Iterable[str], mend: Callable[[Any], None]) -> None:
    """Make the methods of these names run one at a time on each object.

    `mend` puts an object right whose method was left by any exception but those that methods raise.
    """

    def in_turn(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def turn(self: Any, *args: Any, **kwargs: Any) -> Any:
            with self.turn:
                if self.in_turn:
                    raise RuntimeError(
                        f"{method.__name__} was called inside another call on the same allocator, "
                        "by a signal handler or a finalizer; call it from ordinary code"
                    )
                self.in_turn = True
                try:
                    return method(self, *args, **kwargs)
                except ORDINARY:
                    raise
                except BaseException:
                    mend(self)
                    raise
                finally:
                    self.in_turn = False

        return turn

    for name in names:
        setattr(cls, name, in_turn(getattr(cls, name)))
