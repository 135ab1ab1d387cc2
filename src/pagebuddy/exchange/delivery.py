"""Delivery: a serialized object that has arrived."""

from __future__ import annotations

import pickle
from copy import copy
from typing import TYPE_CHECKING, Any

from pagebuddy.errors import StaleHandle
from pagebuddy.exchange.frame import Frame, Part, read_alone

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.unclaimed import Unclaimed


class Delivery:
    """A serialized object whose buffers are claimed, and which is not unpickled yet.

    The constructor raises ValueError for bytes that `dump` did not make, and `StaleHandle` if a ticket
    no longer exists. Then no buffer stays held, and the other tickets are ended too, also after an
    interrupt. `unclaimed` has the bytes, and is responsible for their tickets; `again` means that the
    caller has the bytes too, so that their tickets stay if the bytes are refused.
    """

    def __init__(self, a: Attachment, unclaimed: Unclaimed, again: bool = False) -> None:
        self._frame: Frame | None = None
        self._buffers: list[Any] = []
        frame = None
        try:
            frame = _frame_of(a, unclaimed.message)
            again = False
            if frame.outside:
                # The pickle is a view of this view, which keeps the buffer.
                frame = _frame_of(a, unclaimed.open_first())
            unclaimed.take_handles(frame.handles)
            for i in range(len(frame.handles)):
                self._buffers.append(unclaimed.claim(i))
        except BaseException as error:
            if again and isinstance(error, Exception):
                unclaimed.handed()
            # The exception refers to this frame.
            del frame
            self._buffers.clear()
            unclaimed.end()
            raise
        self._frame = frame

    def unpacked(self) -> Any:
        """Return the object. After an exception it can be unpacked again, until `end`.

        Unpickling runs code that the bytes name. Raises what this code raises.
        """
        if self._frame is None:
            raise ValueError("this delivery has ended")
        parts: list[Any] = []
        # An exception refers to this frame, so nothing may stay in it.
        try:
            frame = self._frame
            for part in frame.parts:
                parts.append(_taken(self._buffers[part.handle], part, frame.readonly))
            return pickle.loads(frame.pickle, buffers=parts)
        finally:
            parts.clear()

    def end(self) -> None:
        """Refer to no buffer any more: from now on the object alone holds them."""
        self._frame = None
        self._buffers.clear()


def load(a: Attachment, data: Any) -> Any:
    """Return the object that `dump` serialized. Raises what a `Delivery` and unpacking it raise."""
    unclaimed: Unclaimed = a.unclaimed()
    unclaimed.take(data)
    told = read_alone(a.layout.arena_id, data)
    if told is not None:
        return pickle.loads(told, buffers=())
    return _unpacked_once(Delivery(a, unclaimed, again=True))


def load_received(a: Attachment, unclaimed: Unclaimed) -> Any:
    """`load` a message that was received, and whose tickets end if this fails."""
    told = read_alone(a.layout.arena_id, unclaimed.message)
    if told is not None:
        return pickle.loads(told, buffers=())
    return _unpacked_once(Delivery(a, unclaimed))


def _unpacked_once(delivery: Delivery) -> Any:
    try:
        return delivery.unpacked()
    finally:
        # An exception refers to it.
        delivery.end()


def _taken(buffer: Any, part: Part, readonly: bool) -> Any:
    if part.is_buffer:
        return copy(buffer)
    view = buffer.view[part.start : part.stop]
    return view.toreadonly() if readonly else view


def _frame_of(a: Attachment, data: Any) -> Frame:
    frame = Frame.read(data)
    if frame.arena_id != a.layout.arena_id:
        raise StaleHandle("these bytes were made by another arena, perhaps one of the same name")
    return frame
