"""Cargo: the buffers of an object that is about to be sent."""

from __future__ import annotations

from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

from pagebuddy.exchange.address import address_of
from pagebuddy.exchange.finder import Finder
from pagebuddy.exchange.frame import Frame, Part
from pagebuddy.sharing.joining.backing import room_for
from pagebuddy.sharing.joining.sending import handle_of

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.unclaimed import Unclaimed

# In bytes. Copying less than this twice is cheaper than sending a handle.
SMALL = 4096


class Cargo:
    """The buffers that a pickle takes out of band: each one once, however many views of it there are.

    Handles are made only by `pack`. Copies that were made in the arena end with this object unless they
    were sent.
    """

    def __init__(self, a: Attachment, readonly: bool = False) -> None:
        self.a = a
        # Whether the receiver gets all bytes read-only.
        self.readonly = readonly
        self.parts: list[Part] = []
        self._finder: Finder | None = None
        # For each handle to be made: its buffer, and how many bytes the receiver will see; None for a
        # Buffer that is sent as an object of its own.
        self._buffers: list[tuple[Any, int | None]] = []
        self._by_offset: dict[int, int] = {}
        # What the pickler will pass to `take` next: the buffer, first byte and number of bytes; 0 bytes
        # for the Buffer itself.
        self._announced: tuple[PickleBuffer, Any, int, int] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is out of band, so that the pickle alone is sufficient."""
        return not self.parts

    def take(self, exported: PickleBuffer) -> bool:
        """Take a buffer from the pickler. Return True if the pickler should copy it instead."""
        announced, self._announced = self._announced, None
        if announced is not None and exported is announced[0]:
            _, buffer, start, n = announced
            if n:
                self._add(buffer, start, n)
            else:
                self._buffers.append((buffer, None))
                self.parts.append(Part(len(self._buffers) - 1, 0, 0))
            return False
        raw = exported.raw()
        n = len(raw)
        if n == 0:
            return True
        place = self.found(raw.obj, address_of(raw), n)
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
        index = self._by_offset.setdefault(buffer.offset, len(self._buffers))
        if index == len(self._buffers):
            self._buffers.append((buffer, buffer.nbytes))
        shown = self._buffers[index][1] or 0
        self._buffers[index] = buffer, max(shown, start + n)
        self.parts.append(Part(index, start, start + n))

    def drop(self) -> None:
        """Release everything: an exception refers to this object, and may be kept for a long time."""
        self.parts.clear()
        self._buffers.clear()
        self._announced = None

    def pack(self, pickle: Any, most: int | None, unclaimed: Unclaimed) -> None:
        """Make the tickets and the frame; a frame of more than `most` bytes is put in the arena.

        Raises `OutOfTickets` and `OutOfPages`; then all tickets that were made are withdrawn.
        """
        try:
            handles = []
            for i in range(len(self._buffers)):
                # A traceback would keep a buffer that has a name here.
                handles.append(handle_of(*unclaimed.send(*self._buffers[i])))
            arena_id, readonly = self.a.layout.arena_id, self.readonly
            frame = bytes(Frame(arena_id, handles, self.parts, pickle, readonly=readonly))
            if most is not None and len(frame) > most:
                self._buffers.append((self.copied(frame), len(frame)))
                handles = [handle_of(*unclaimed.send(*self._buffers[-1]))]
                frame = bytes(Frame(arena_id, handles, outside=True))
            unclaimed.pack(frame)
        except BaseException:
            # The exception refers to both.
            self.drop()
            unclaimed.end()
            raise
