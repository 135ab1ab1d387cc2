"""Passing whole arenas to other processes, by pickling."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pagebuddy.pickled import permanent, public
from pagebuddy.sharing.joining import attaching
from pagebuddy.sharing.joining.sending import attached_for

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Attached


def descriptor_of(a: Attached) -> tuple[int, str, Any]:
    """Return what `arena_found` needs: the arena's id, its place, and a descriptor if it has none.

    `multiprocessing` passes the descriptor. Raises ValueError for an arena of one process.
    """
    place = attaching.place_of(a)
    if place != "-":
        return a.layout.arena_id, place, None
    from multiprocessing.reduction import DupFd

    return a.layout.arena_id, place, DupFd(a.medium.fileno())


@permanent
def arena_found(cls: Any, arena_id: int, place: str, passed: Any) -> Any:
    """Return the arena that was passed. Raises `StaleHandle` if it no longer exists."""
    cls = public(cls)
    if passed is None:
        return cls._of(attached_for(arena_id, place))
    fd = passed.detach()
    try:
        return cls.attach(fd)
    finally:
        os.close(fd)
