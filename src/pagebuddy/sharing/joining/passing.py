"""Passing whole arenas to other processes, by pickling."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pagebuddy.errors import PageBuddyError
from pagebuddy.pickled import permanent, public
from pagebuddy.sharing.joining import attaching
from pagebuddy.sharing.joining.sending import attached_for

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Attached


def descriptor_of(a: Attached) -> tuple[Any, ...]:
    """Return what `arena_found` needs: the arena's id, its place, and a descriptor if it has none.

    And true if this process attached it read-only, so that the receiver does too.
    `multiprocessing` passes the descriptor. Raises ValueError for an arena of one process.
    """
    place = attaching.place_of(a)
    mode = (True,) if a.is_readonly else ()
    if place != "-":
        return a.layout.arena_id, place, None, *mode
    from multiprocessing.reduction import DupFd

    return a.layout.arena_id, place, DupFd(a.medium.fileno()), *mode


@permanent
def arena_found(cls: Any, arena_id: int, place: str, passed: Any, readonly: bool = False) -> Any:
    """Return the arena that was passed. Raises `StaleHandle` if it no longer exists.

    If this process has attached it already, that is used, read-only or not.
    """
    cls = public(cls)
    if passed is None:
        if readonly and attaching.known_by_id(arena_id, place) is None:
            # Found by the next line. What is wrong with the arena, that line says.
            with suppress(PageBuddyError, ValueError, OSError):
                a = attaching.attach_place(place, readonly)
                attaching.keep_attached(a)
        return cls._of(attached_for(arena_id, place))
    fd = passed.detach()
    try:
        known = attaching.known_by_id(arena_id)
        return cls.attach(fd, readonly=readonly) if known is None else cls._of(known)
    finally:
        os.close(fd)
