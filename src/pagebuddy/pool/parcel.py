"""Parcel: an object that any pickler can send, while its bytes stay in the arena."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from pagebuddy.buffers.bodies.words import SMALL
from pagebuddy.errors import StaleHandle
from pagebuddy.exchange.delivery import Delivery
from pagebuddy.exchange.dumping import call_back, packed
from pagebuddy.sharing.joining import attaching

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment


class Sent:
    """The bytes to which a parcel was pickled. It may outlive the parcel and its object."""

    def __init__(self, arena: Any) -> None:
        self._arena = arena
        self._lock = Lock()
        self._told: list[bytes] = []
        self._ended = False

    def add(self, data: bytes) -> None:
        """Remember bytes that are about to be sent, and have handles in them."""
        with self._lock:
            self._told.append(data)
            if self._ended:
                self._end()

    def end(self) -> None:
        """End the handles that were not claimed, and those of later pickles."""
        with self._lock:
            self._ended = True
            self._end()

    def forget(self) -> None:
        """Forget the bytes: they were delivered."""
        with self._lock:
            self._told.clear()

    def _end(self) -> None:
        told, self._told = self._told, []
        if not self._arena.closed:
            for data in told:
                call_back(self._arena._open, data)


class Parcel:
    """An object and the arena through which it travels, at either end of a pipe.

    It is dumped when it is pickled and not before, so that only parcels on their way take memory.
    Unpickling claims the buffers and never raises, because this would end a worker or break its pool;
    `opened` raises instead. `group` is that of its handles.
    """

    def __init__(self, arena: Any, contents: Any, group: int = 0) -> None:
        self._arena = arena
        self._group = group
        self._lock = Lock()
        self._delivery: Delivery | None = None
        self._contents = contents
        self._failure: Exception | None = None
        self.sent = Sent(arena)

    def opened(self) -> Any:
        """Return the object, the same one each time. Raises what `arena.loads` raises."""
        failure = self.failure()
        try:
            if failure is not None:
                raise failure
        finally:
            # Its traceback refers to this frame.
            del failure
        return self._contents

    def failure(self) -> Exception | None:
        """Unpack the object; return the exception that `opened` raises, or None."""
        with self._lock:
            if self._delivery is not None:
                try:
                    self._contents = self._delivery.unpacked()
                except Exception as error:
                    self._failure = error.with_traceback(None)
                # Kept if this was interrupted.
                self._delivery = None
            return self._failure

    def forget(self) -> None:
        """Refer to the object no more."""
        with self._lock:
            self._contents = self._delivery = None

    def drop(self) -> None:
        """Refer to the object no more, and end the handles that nobody claimed."""
        self.forget()
        self.sent.end()

    def __reduce__(self) -> Any:
        unclaimed = packed(self._arena, self._contents, SMALL, self._group)
        try:
            data: bytes = unclaimed.message
            if unclaimed.has_tickets:
                self.sent.add(data)
            unclaimed.handed()
        except BaseException:
            # The exception refers to it.
            unclaimed.end()
            raise
        return _arrived, (self._arena._open.layout.arena_id, data)


def _arrived(arena_id: int, data: bytes) -> Parcel:
    try:
        a = cast("Attachment | None", attaching.known_by_id(arena_id))
        if a is None:
            raise StaleHandle("this process is no longer attached to the arena of this object")
        unclaimed = a.unclaimed()
        unclaimed.take(data)
        parcel = Parcel(None, None)
        parcel._delivery = Delivery(unclaimed)
        return parcel
    except BaseException as error:
        _lose(arena_id, data)
        if not isinstance(error, Exception):
            raise
        parcel = Parcel(None, None)
        parcel._failure = error.with_traceback(None)
        return parcel


def _lose(arena_id: int, data: bytes) -> None:
    """End the handles in a message that could not be received; some may have ended already."""
    a = cast("Attachment | None", attaching.known_by_id(arena_id))
    if a is not None:
        call_back(a, data)
