"""Passing whole arenas to other processes."""

from __future__ import annotations

import os
from typing import Any

from pagebuddy.pickled import permanent, public
from pagebuddy.sharing.joining import attaching
from pagebuddy.sharing.joining.sending import attached_for


def descriptor_of(a: Any) -> tuple[int, str, Any]:
    """Return what `arena_found` needs: the arena's id, how it is found, and a descriptor if not by name.

    The descriptor travels as `multiprocessing` passes them on. Raises ValueError for an arena of one
    process.
    """
    place = attaching.place_of(a)
    if place != "-":
        return a.layout.arena_id, place, None
    from multiprocessing.reduction import DupFd

    return a.layout.arena_id, place, DupFd(a.medium.fileno())


@permanent
def arena_found(cls: Any, arena_id: int, place: str, passed: Any) -> Any:
    """Return the arena that was passed on. Raises `StaleHandle` where it is gone."""
    cls = public(cls)
    if passed is None:
        return cls._of(attached_for(arena_id, place))
    fd = passed.detach()
    try:
        return cls.attach(fd)
    finally:
        os.close(fd)
