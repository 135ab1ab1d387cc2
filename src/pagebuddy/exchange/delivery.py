"""Delivery: a serialized object that has arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.unclaimed import Unclaimed


class Delivery:
    """A serialized object whose buffers are claimed, and which is not unpickled yet.

    The constructor raises ValueError for bytes that `dump` did not make, and `StaleHandle` if a ticket
    no longer exists. Then no buffer stays held, and the other tickets are ended too, also after an
    interrupt. `unclaimed` has the bytes, and is responsible for their tickets.
    """

    def __init__(self, unclaimed: Unclaimed) -> None:
        unclaimed.open()
        self._opened = unclaimed

    def unpacked(self) -> Any:
        """Return the object. After an exception it can be unpacked again, until `end`.

        Unpickling runs code that the bytes name. Raises what this code raises.
        """
        return self._opened.unpacked()

    def end(self) -> None:
        """Refer to no buffer any more: from now on the object alone holds them."""
        self._opened.close()


def load(a: Attachment, data: Any) -> Any:
    """Return the object that `dump` serialized. Raises what a `Delivery` and unpacking it raise.

    If the bytes are refused, their tickets stay.
    """
    return a.loaded(data)


def load_received(unclaimed: Unclaimed) -> Any:
    """`load` a message that was received, and whose tickets end if this fails."""
    unclaimed.open()
    try:
        return unclaimed.unpacked()
    finally:
        # An exception refers to it.
        unclaimed.close()


def unpack(a: Attachment, data: Any, pages: list[Any], *, readonly: bool = False) -> Any:
    """Return the object that `pack` serialized, given what holds its pages; that list is empty then.

    Unpickling runs code that the bytes name. Raises what this code raises, ValueError for bytes that
    `pack` did not make, and `StaleHandle` for a buffer of another arena that was claimed before.
    """
    return a.unpacked(data, pages, readonly)
