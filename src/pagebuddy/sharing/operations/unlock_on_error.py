"""Operations that are left by an exception, uncompiled.

Ctrl-C can strike between any two stores. What was half done stays so, and is told by the busy word: the
next operation takes over, as it would from the dead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from pagebuddy.sharing.system.lock import unlock


def unlock_on_error(operation: Callable[..., int]) -> Callable[..., int]:
    """Make an operation on an attachment give the lock back whatever happens."""

    @wraps(operation)
    def whole(a: Any, *args: Any) -> int:
        had = a.gate.is_mine()
        try:
            return operation(a, *args)
        except BaseException:
            if a.gate.is_mine() and not had:
                unlock(a)
            raise

    return whole
