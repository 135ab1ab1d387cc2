"""Sending buffers as handles, and claiming them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pagebuddy.errors import OutOfTickets, PageBuddyError, StaleHandle
from pagebuddy.pickled import permanent
from pagebuddy.sharing.joining import attaching
from pagebuddy.sharing.joining.handle import NOWHERE, Handle, from_text, is_anonymous, place_at
from pagebuddy.sharing.system.process import now
from pagebuddy.sharing.words import OP_REAP, OP_SEND, OP_WITHDRAW

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Attached, Held


def send(a: Attached, node: int, n_bytes: int) -> bytes:
    """Make a ticket for a buffer that this process holds; return its handle.

    Raises `OutOfTickets` if no ticket is free even after reaping.
    """
    request = a.request(node=node, n_bytes=n_bytes, now_ms=now())
    try:
        a.perform(request, OP_SEND)
    except OutOfTickets:
        a.perform(a.request(), OP_REAP)
        a.perform(request, OP_SEND)
    return handle_of(a, *request.ticket)


def handle_of(a: Attached, index: int, serial: int) -> bytes:
    """Return the handle of a ticket."""
    place = attaching.place_of(a)
    if place == NOWHERE and a.medium.shared:
        place = place_at(os.getpid(), a.fileno())
    return bytes(Handle(a.layout.arena_id, index, serial, place))


@permanent
def claim(data: bytes | str, near: Attached | None = None) -> Held:
    """Claim a handle: return the buffer, which this process holds from now on.

    The handle may be text, as in pickles of protocols without bytes. A named or file arena is attached
    if it is not yet. `near` is an attachment to look at first: an arena of one process is not found
    otherwise. Raises `StaleHandle`.
    """
    handle = Handle.read(from_text(data) if isinstance(data, str) else data)
    a = _attachment_of(handle, near)
    # In one call: Ctrl-C between two would leave a hold without an object.
    return a.claimed(handle.ticket_index, handle.serial)


def withdraw(data: bytes, near: Attached | None = None) -> None:
    """End a handle that was not sent, unless it was claimed; `near` is as for `claim`."""
    handle = Handle.read(data)
    a = _attachment_of(handle, near)
    try:
        a.perform(a.request(ticket_index=handle.ticket_index, serial=handle.serial), OP_WITHDRAW)
    except StaleHandle:
        return


def _attachment_of(handle: Handle, near: Attached | None) -> Attached:
    if near is not None and near.layout.arena_id == handle.arena_id:
        return near
    return attached_for(handle.arena_id, handle.place)


def attached_for(arena_id: int, place: str) -> Attached:
    """Return an attachment to the arena with this id, attaching it if need be. Raises `StaleHandle`."""
    if is_anonymous(place):
        a = attaching.known_by_id(arena_id)
        if a is not None:
            return a
        # Few programs need it.
        from pagebuddy.sharing.joining import by_descriptor

        return _kept(by_descriptor.attached(arena_id, place))
    a = attaching.known_by_id(arena_id, place)
    if a is not None:
        return a
    moved = attaching.known_by_id(arena_id)
    if moved is not None and attaching.is_nowhere(place):
        return moved
    try:
        a = attaching.attach_place(place)
    except (PageBuddyError, ValueError, OSError) as error:
        raise StaleHandle(
            f"the handle's arena, {place[1:]}, cannot be attached: {error}"
        ) from error
    if a.layout.arena_id != arena_id:
        raise StaleHandle(
            f"the handle's arena no longer exists: {place[1:]} is now another; send a new handle"
        )
    return _kept(a)


def _kept(a: Attached) -> Attached:
    """Keep an attachment until the process ends or closes the arena: it will need it again."""
    attaching.keep_attached(a)
    return a
