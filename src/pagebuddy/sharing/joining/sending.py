"""Sending buffers as handles, and claiming them."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from pagebuddy.arguments import whole
from pagebuddy.errors import OutOfTickets, PageBuddyError, StaleHandle
from pagebuddy.pickled import permanent
from pagebuddy.sharing.joining import attaching
from pagebuddy.sharing.joining.handle import NOWHERE, Handle, from_text, is_anonymous, place_at
from pagebuddy.sharing.system.clock import clock_ms
from pagebuddy.sharing.words import ANY_CLAIMS, MOST_CLAIMS, OP_REAP, OP_SEND, OP_WITHDRAW

if TYPE_CHECKING:
    from pagebuddy.sharing.attached import Attached, Held


# A hundred years.
_LONGEST_LIFE_S = 3_155_760_000


class _Sent:
    """What is pickled as a handle."""

    def __init__(self, handle: bytes) -> None:
        self.handle = handle

    def __reduce__(self) -> Any:
        return claim, (self.handle,)


def pickled(handle: bytes) -> bytes:
    """Return a pickle that claims a handle."""
    # Programs that send nothing need not import it.
    import pickle

    return pickle.dumps(_Sent(handle), 5)


def terms(receivers: Any, expires: Any, default_ms: int = 0) -> tuple[int, int]:
    """Return how many claims a ticket has, and its life in ms, as in a `Request`.

    `default_ms` is the life if `expires` is not given. Raises TypeError and ValueError.
    """
    life_ms = default_ms if expires is None else life_of(expires)
    if receivers is None:
        if not life_ms:
            raise ValueError(
                "receivers is None, any number, but expires is not given: the arena would keep the "
                "buffers forever; give expires=seconds, or a number of receivers"
            )
        return ANY_CLAIMS, life_ms
    if isinstance(receivers, bool):
        raise TypeError(f"receivers is {receivers!r}, a bool; it must be an integer, or None")
    return whole(receivers, "receivers", least=1, most=MOST_CLAIMS), life_ms


def life_of(expires: Any) -> int:
    """Return the life of a ticket in ms. Raises TypeError and ValueError."""
    try:
        # Not `float`, which accepts text.
        seconds = math.ldexp(expires, 0)
    except OverflowError:
        seconds = math.inf if expires > 0 else -math.inf
    except (TypeError, ValueError):
        seconds = None
    if seconds is None or isinstance(expires, bool):
        raise TypeError(f"expires is {expires!r}; it must be a number of seconds, or None")
    if not 0 < seconds <= _LONGEST_LIFE_S:
        raise ValueError(
            f"expires is {seconds!r}; it must be more than 0 seconds and at most {_LONGEST_LIFE_S}, a "
            "hundred years; leave it out for a handle that does not expire"
        )
    return math.ceil(seconds * 1000)


def send(a: Attached, node: int, n_bytes: int, *, n_claims: int = 1, life_ms: int = 0) -> bytes:
    """Make a ticket for a buffer that this process holds; return its handle.

    `n_claims` and `life_ms` are as in a `Request`. Raises `OutOfTickets` if no ticket is free even after
    reaping.
    """
    request = a.request(
        node=node,
        n_bytes=n_bytes,
        now_ms=clock_ms(),
        n_claims=n_claims,
        life_ms=life_ms or a.layout.life_ms,
    )
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
    _end(data, near, is_one_claim=False)


def give_up(data: bytes) -> None:
    """End a handle that was received and will not be claimed; other receivers can claim it still."""
    _end(data, None, is_one_claim=True)


def _end(data: bytes, near: Attached | None, is_one_claim: bool) -> None:
    handle = Handle.read(data)
    a = _attachment_of(handle, near)
    request = a.request(
        ticket_index=handle.ticket_index, serial=handle.serial, is_one_claim=is_one_claim
    )
    try:
        a.perform(request, OP_WITHDRAW)
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
