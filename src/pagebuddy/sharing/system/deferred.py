"""Holds that the next operation of this process ends, because it has the lock.

An object can die when its hold cannot be ended: inside an operation of the same thread, or while the
lock's owner is stopped. Compiled, `atomic.pxi` has the same: a list that needs no lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagebuddy.sharing.state import ArenaState


def defer(a: ArenaState, node: int) -> None:
    """Let the next operation end a hold on the buffer at a node."""
    a.deferred.append(node)


def next_deferred(a: ArenaState) -> int:
    """Take a node off the list; 0 if the list is empty."""
    return a.deferred.pop() if a.deferred else 0
