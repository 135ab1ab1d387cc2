"""Sending buffers as handles, and claiming them."""

from __future__ import annotations

from typing import Any

from pagebuddy.errors import OutOfTickets, PageBuddyError, StaleHandle
from pagebuddy.pickled import permanent
from pagebuddy.sharing.joining import attaching
from pagebuddy.sharing.joining.handle import Handle, from_text
from pagebuddy.sharing.system.process import now
from pagebuddy.sharing.words import OP_REAP, OP_SEND, OP_WITHDRAW


def send(a: Any, node: int, n_bytes: int) -> bytes:
    """Make a ticket for a buffer that this process holds; return its handle.

    Raises `OutOfTickets`, after the dead were reaped.
    """
    request = a.request(node=node, n_bytes=n_bytes, now_ms=now())
    try:
        a.perform(request, OP_SEND)
    except OutOfTickets:
        a.perform(a.request(), OP_REAP)
        a.perform(request, OP_SEND)
    index, serial = request.ticket
    return bytes(Handle(a.layout.arena_id, index, serial, attaching.place_of(a)))


@permanent
def claim(data: bytes | str, near: Any = None) -> Any:
    """Redeem a handle: return the buffer, which this process holds from now on.

    The handle may be text as well, as in pickles of protocols that have no bytes. A named or file arena
    is attached, if it is not yet. `near` is an attachment that it may be of: one of a single process is
    not found otherwise. Raises `StaleHandle`.
    """
    handle = Handle.read(from_text(data) if isinstance(data, str) else data)
    a = _attachment_of(handle, near)
    # In one call: an exception in between, by Ctrl-C, would leave a hold without an object.
    return a.claimed(handle.index, handle.serial)


def withdraw(data: bytes, near: Any = None) -> None:
    """End a handle that was not sent after all; `near` as for `claim`.

    One that was claimed is left alone.
    """
    handle = Handle.read(data)
    a = _attachment_of(handle, near)
    try:
        a.perform(a.request(ticket_index=handle.index, serial=handle.serial), OP_WITHDRAW)
    except StaleHandle:
        return


def _attachment_of(handle: Handle, near: Any) -> Any:
    if near is not None and near.layout.arena_id == handle.arena_id:
        return near
    return attached_for(handle.arena_id, handle.place)


def attached_for(arena_id: int, place: str) -> Any:
    """Return the attachment to the arena of this id. Raises `StaleHandle`."""
    a = attaching.known_by_id(arena_id, place)
    if a is not None:
        return a
    moved = attaching.known_by_id(arena_id)
    if moved is not None and (place == "-" or attaching.is_nowhere(place)):
        return moved
    if place == "-":
        raise StaleHandle(
            "the handle is of an anonymous arena that this process was not given; pass the arena on "
            "first, as an argument or by its descriptor"
        )
    try:
        a = attaching.attach_place(place)
    except (PageBuddyError, ValueError, OSError) as error:
        raise StaleHandle(
            f"the handle's arena, {place[1:]}, cannot be attached: {error}"
        ) from error
    if a.layout.arena_id != arena_id:
        raise StaleHandle(
            f"the handle is of an arena that is gone; what is called {place[1:]} now is another"
        )
    # Until the process ends, or closes the arena: the next handle comes soon.
    attaching.keep_attached(a)
    return a
