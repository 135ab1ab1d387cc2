"""Delivery: a serialized object that has arrived."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from pagebuddy.errors import PageBuddyError, StaleHandle
from pagebuddy.exchange.frame import Frame, Part, read_alone
from pagebuddy.sharing.joining.sending import claim

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment


class Delivery:
    """A serialized object whose buffers are claimed, and which is not unpickled yet.

    The constructor raises ValueError for bytes that `dump` did not make, and `StaleHandle` if a ticket
    no longer exists. Then no buffer stays held, and the other tickets are ended too.
    """

    def __init__(self, a: Attachment, data: Any) -> None:
        frame = _frame_of(a, data)
        if frame.outside:
            # The pickle is a view of this view, which keeps the buffer.
            frame = _frame_of(a, claim(frame.handles[0], a).view)
        self._frame: Frame | None = frame
        self._buffers = _claimed(a, frame.handles)

    def unpacked(self) -> Any:
        """Return the object, once. Afterwards the object alone holds its buffers.

        Unpickling runs code that the bytes name. Raises what this code raises. After an exception that
        is not an Exception, such as KeyboardInterrupt, it can be unpacked again.
        """
        if self._frame is None:
            raise ValueError("this delivery was unpacked before")
        parts: list[Any] = []
        # An exception refers to this frame, so nothing may stay in it.
        try:
            parts.extend(_taken(self._buffers[part.handle], part) for part in self._frame.parts)
            thing = pickle.loads(self._frame.pickle, buffers=parts)
        except Exception:
            self._end()
            raise
        finally:
            parts.clear()
        self._end()
        return thing

    def _end(self) -> None:
        self._frame = None
        self._buffers.clear()


def load(a: Attachment, data: Any) -> Any:
    """Return the object that `dump` serialized. Raises what a `Delivery` and unpacking it raise."""
    told = read_alone(a.layout.arena_id, data)
    if told is not None:
        return pickle.loads(told, buffers=())
    return Delivery(a, data).unpacked()


def _taken(buffer: Any, part: Part) -> Any:
    return copy(buffer) if part.is_buffer else buffer.view[part.start : part.stop]


def _frame_of(a: Attachment, data: Any) -> Frame:
    frame = Frame.read(data)
    if frame.arena_id != a.layout.arena_id:
        raise StaleHandle("these bytes were made by another arena, perhaps one of the same name")
    return frame


def _claimed(a: Attachment, handles: Sequence[bytes]) -> list[Any]:
    """Claim all handles. If one is stale, release all: the object cannot be made without it."""
    buffers: list[Any] = []
    failure: Exception | None = None
    for handle in handles:
        try:
            buffers.append(claim(handle, a))
        except PageBuddyError as error:
            failure = failure or error
    if failure is None:
        return buffers
    buffers.clear()
    try:
        raise failure
    finally:
        # Its traceback refers to this frame.
        del failure


def handles_of(a: Attachment, data: bytes) -> Iterator[bytes]:
    """Yield the handles in a frame; a frame that lies in the arena is claimed to read them."""
    frame = Frame.read(data)
    if frame.outside:
        try:
            frame = Frame.read(claim(frame.handles[0], a).view)
        except StaleHandle:
            return
    yield from frame.handles
