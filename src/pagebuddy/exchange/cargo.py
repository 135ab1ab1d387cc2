"""Cargo: the buffers of a pickle that is about to be sent."""

from __future__ import annotations

from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

from pagebuddy.buffers.bodies.words import IS_BUFFER, SMALL
from pagebuddy.exchange.finder import Finder
from pagebuddy.sharing.joining.backing import room_for
from pagebuddy.sharing.joining.sending import handle_of

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.bodies.body import Body
    from pagebuddy.buffers.unclaimed import Unclaimed


class Cargo:
    """The buffers that a pickle takes out of band: each one once, however many views of it there are.

    Handles are made only by `pack`. Copies that were made in the arena end with this object unless they
    were sent.
    """

    def __init__(self, a: Attachment, readonly: bool = False) -> None:
        self.a = a
        # Whether the receiver gets all bytes read-only.
        self.readonly = readonly
        self._body: Body = a.new_body()
        # Index of the pages, start and stop of each. Those of other arenas have no index yet.
        self._parts: list[tuple[int, int, int]] = []
        self._foreign: list[Any] = []
        self._finder: Finder | None = None
        # What the pickler will pass to `take` next: the buffer, first byte and number of bytes; 0 bytes
        # for the Buffer itself.
        self._announced: tuple[PickleBuffer, Any, int, int] | None = None

    def take(self, exported: PickleBuffer) -> bool:
        """Take a buffer from the pickler. Return True if the pickler should copy it instead."""
        announced, self._announced = self._announced, None
        if announced is not None and exported is announced[0]:
            _, buffer, start, n = announced
            if n:
                self._add(buffer, start, n)
            else:
                self._add_itself(buffer)
            return False
        raw = exported.raw()
        n = len(raw)
        if n == 0:
            return True
        place = self.found(raw.obj, self.a.address_of(raw), n)
        if place is None:
            if n < SMALL:
                return True
            place = self.copied(raw), 0
        self._add(*place, n)
        return False

    def copied(self, raw: Any) -> Any:
        """Return a new buffer with a copy of these bytes. Raises `OutOfPages`."""
        buffer = room_for(self.a, len(raw))
        buffer.view[:] = raw
        return buffer

    def found(self, owner: Any, address: int, n_bytes: int) -> tuple[Any, int] | None:
        """Return the buffer in which these bytes lie, and their offset in it; None if there is none."""
        if self._finder is None:
            self._finder = Finder(self.a)
        return self._finder.found(owner, address, n_bytes)

    def announce(self, buffer: Any, view: Any, start: int = 0, n_bytes: int = 0) -> PickleBuffer:
        """Return what the pickler takes for bytes of a buffer, or for the Buffer itself."""
        exported = PickleBuffer(view)
        self._announced = exported, buffer, start, n_bytes
        return exported

    def _add(self, buffer: Any, start: int, n: int) -> None:
        stop = start + n
        # Not less than the buffer shows, so that what is loaded shows as much.
        index = self._body.add(buffer, max(buffer.nbytes, stop))
        self._parts.append((index, start, stop))

    def _add_itself(self, buffer: Any) -> None:
        if self._body.is_of(buffer):
            index = self._body.add(buffer, buffer.nbytes)
            self._parts.append((index, IS_BUFFER, buffer.nbytes))
        else:
            self._parts.append((-1 - len(self._foreign), IS_BUFFER, 0))
            self._foreign.append(buffer)

    def drop(self) -> None:
        """Refer to no buffer: an exception refers to this object, and may be kept for a long time."""
        self._body.drop()
        self._parts.clear()
        self._foreign.clear()
        self._announced = None

    def pack(self, pickle: Any, unclaimed: Unclaimed) -> Body:
        """Return the body of a pickle. Buffers of other arenas get tickets of `unclaimed`.

        Raises `OutOfTickets`.
        """
        handles = []
        for i in range(len(self._foreign)):
            # A traceback would keep a buffer that has a name here.
            handles.append(handle_of(*unclaimed.send(self._foreign[i])))
        n_pages = len(self._body.pages)
        parts = [
            (n_pages - 1 - index if index < 0 else index, start, stop)
            for index, start, stop in self._parts
        ]
        self._body.write_pickle(parts, handles, pickle, self.readonly)
        if handles:
            self._body.keep(unclaimed)
        return self._body
