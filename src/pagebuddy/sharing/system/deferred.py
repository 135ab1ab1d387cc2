"""Holds to be ended later: by the next operation of this process, which has the lock.

An object may die where its hold cannot be ended: inside an operation of its own thread, or while the
lock's owner is stopped. Compiled, `atomic.pxi` has the same: a list that threads push without a lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagebuddy.sharing.state import ArenaState


def defer(a: ArenaState, node: int) -> None:
    """Let the next operation end a hold on the buffer at a node."""
    a.deferred.append(node)


def next_deferred(a: ArenaState) -> int:
    """Take one node off the list; 0 where there is none."""
    return a.deferred.pop() if a.deferred else 0
