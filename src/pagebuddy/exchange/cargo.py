"""Cargo: the buffers of an object that is about to travel."""

from __future__ import annotations

from pickle import PickleBuffer
from typing import Any

from pagebuddy.core.words import N_HEADS
from pagebuddy.exchange.address import address_of
from pagebuddy.exchange.finder import Finder
from pagebuddy.exchange.frame import Frame, Part
from pagebuddy.sharing.joining.backing import room_for
from pagebuddy.sharing.joining.sending import send, withdraw

# What is shorter than that is cheaper to copy twice than to look after.
SMALL = 4096


class Cargo:
    """What goes out of band: each buffer once, however many views of it there are.

    Nothing is minted before `sent`. What was copied in ends with this object, unless it was sent.
    """

    def __init__(self, a: Any) -> None:
        self.a = a
        self.parts: list[Part] = []
        self._finder: Finder | None = None
        # Of each handle to be: its buffer, and how many bytes its claimer shall see; None for a Buffer
        # that travels as itself.
        self._buffers: list[tuple[Any, int | None]] = []
        self._by_offset: dict[int, int] = {}
        # What the pickler is about to hand over: the buffer it is of, and which bytes; none for itself.
        self._announced: tuple[PickleBuffer, Any, int, int] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing goes out of band, so that the pickle is all there is."""
        return not self.parts

    def take(self, exported: PickleBuffer) -> bool:
        """Take over what the pickler has at hand. True says that it shall go in band after all."""
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
        """Return the buffer that has these bytes already, and where in it; None if none has."""
        if self._finder is None:
            self._finder = Finder(self.a)
        return self._finder.found(owner, address, n_bytes)

    def announce(self, buffer: Any, view: Any, start: int = 0, n_bytes: int = 0) -> PickleBuffer:
        """Return what stands for these bytes of a buffer, to be taken next; for none, for itself."""
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
        """Let go of everything: what is raised leads here, and may be kept for long."""
        self.parts.clear()
        self._buffers.clear()
        self._announced = None

    def sent(self, pickle: Any, most: int | None) -> bytes:
        """Mint the handles; return the frame as bytes, at most so many, as far as that can be.

        Raises `OutOfTickets` and `OutOfPages`; then nothing that was minted stays.
        """
        handles: list[bytes] = []
        try:
            for i in range(len(self._buffers)):
                handles.append(self._handle(i))
            frame = bytes(Frame(self.a.layout.arena_id, handles, self.parts, pickle))
            if most is None or len(frame) <= most:
                return frame
            self._buffers.append((self.copied(frame), len(frame)))
            handles.append(self._handle(-1))
            return bytes(Frame(self.a.layout.arena_id, handles[-1:], outside=True))
        except BaseException:
            for handle in handles:
                withdraw(handle, self.a)
            self.drop()
            raise

    def _handle(self, index: int) -> bytes:
        buffer, n_bytes = self._buffers[index]
        if n_bytes is None:
            # Perhaps of another arena, which it knows.
            return buffer.__reduce__()[1][0]  # type: ignore[no-any-return]
        node = N_HEADS + buffer.offset // self.a.layout.page_size
        # What is raised leads to this frame.
        del buffer
        return send(self.a, node, n_bytes)
