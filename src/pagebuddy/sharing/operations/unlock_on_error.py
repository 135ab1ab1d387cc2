"""Releasing the lock when an exception ends an operation, uncompiled.

Ctrl-C can come between any two stores. The operation stays half done and A_BUSY set, so the next
operation repairs the arena, as after a death.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from pagebuddy.sharing.system.lock import unlock

if TYPE_CHECKING:
    from pagebuddy.sharing.state import ArenaState

_Operation = TypeVar("_Operation", bound=Callable[..., int])


def unlock_on_error(operation: _Operation) -> _Operation:
    """Make an operation release the lock if it raises."""

    @wraps(operation)
    def whole(a: ArenaState, *args: Any) -> int:
        had = a.gate.is_mine()
        try:
            return operation(a, *args)
        except BaseException:
            if a.gate.is_mine() and not had:
                unlock(a)
            raise

    return whole  # type: ignore[return-value]
