"""Holds that the next operation of this process ends, because it has the lock.

An object can die when its hold cannot be ended: inside an operation of the same thread, or while the
lock's owner is stopped. Compiled, `atomic.pxi` has the same: a list that needs no lock.

Uncompiled, Ctrl-C can strike between any two steps, also in a finalizer. So a C function puts the end of
each object into this list, and it leaves the list when its hold has ended: an operation that was
interrupted before that is continued by the next.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from pagebuddy.core.words import FIRST_NODE
from pagebuddy.sharing.state import holds_at

if TYPE_CHECKING:
    from pagebuddy.sharing.state import ArenaState


class End:
    """The end of one object's hold on the buffer at a node.

    `was` is how many other objects there were when an operation began to end it; -1 before that.
    """

    node = 0
    was = -1


class EndOf(End, weakref.ref):  # type: ignore[type-arg]
    """The end of an object that exists, whose callback adds it to the list."""


def defer(a: ArenaState, node: int) -> None:
    """Let the next operation end a hold on the buffer at a node."""
    end = End()
    end.node = node
    a.deferred.append(end)


def next_deferred(a: ArenaState) -> int:
    """Return the node of the first end that is left, and drop those that are done; 0 if there is none.

    The caller has the lock, ends the hold, and calls this again.
    """
    ends: Any = a.deferred
    while ends:
        end = ends[0]
        if end.was < 0 and end.node:
            end.was = a.local[end.node - FIRST_NODE]
        elif end.node == 0 or is_done(a, end):
            ends.popleft()
            continue
        return end.node  # type: ignore[no-any-return]
    return 0


def is_done(a: ArenaState, end: End) -> bool:
    """Whether an end that was begun is done: no other operation ran since then."""
    if end.was:
        return a.local[end.node - FIRST_NODE] < end.was
    # After a fault there is nothing to end, and a slot that is shared keeps its holds.
    is_held = a.holds[holds_at(a, end.node) + a.my_word] & a.my_bit
    return a.fault != 0 or a.sticky or not is_held
