"""Deserializing an object that has arrived: bytes with tickets, or bytes and what holds their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment


def load(a: Attachment, data: Any) -> Any:
    """Return the object that `dump` serialized. Raises what unpickling raises.

    Raises ValueError for bytes that `dump` did not make, and `StaleHandle` if a ticket no longer exists;
    then all tickets stay.
    """
    return a.loaded(data)


def unpack(a: Attachment, data: Any, pages: list[Any], *, readonly: bool = False) -> Any:
    """Return the object that `pack` serialized, given what holds its pages; that list is empty then.

    Unpickling runs code that the bytes name. Raises what this code raises, ValueError for bytes that
    `pack` did not make, and `StaleHandle` for a buffer of another arena that was claimed before.
    """
    return a.unpacked(data, pages, readonly)
