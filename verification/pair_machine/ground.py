"""An arena whose buffers each carry a byte of their own, and what must hold at the end."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from pagebuddy import OutOfPages

PAGE = 4096
N_PAGES = 64

# What the bytes of each buffer are.
OURS, LEFT, RIGHT, STRANGERS = b"\xaa", b"\x11", b"\x22", b"\xee"

LEFT_PAGES, OUR_PAGES, RIGHT_PAGES = 2, 10, 3

KEY = "ours"

# The object that is kept when the calls begin has this many bytes of ours.
OBJECT_BYTES = PAGE


Meet = Callable[[], None]


def nothing() -> None:
    """Meet no other call."""


class ForeignByte(AssertionError):
    """A call has handed out or changed bytes of another buffer, or lost a page."""


class Loud:
    """Something whose pickling meets another call; its unpickling meets the one that hears it."""

    hearer: ClassVar[Meet] = staticmethod(nothing)

    def __init__(self, meet: Meet) -> None:
        self.meet = meet

    def __reduce__(self) -> Any:
        self.meet()
        return Loud.load, ()

    @staticmethod
    def load() -> None:
        """Meet the call that hears it now."""
        Loud.hearer()

    @staticmethod
    @contextmanager
    def heard_by(meet: Meet) -> Iterator[None]:
        """Let a call be met whenever one is unpickled."""
        was = Loud.hearer
        Loud.hearer = staticmethod(meet)
        try:
            yield
        finally:
            Loud.hearer = staticmethod(was)


class Ground:
    """A buffer between two others, with free pages behind it, and what calls have returned.

    After the calls, other buffers take all free pages. Then `check` proves:
    - whatever a call returned shows the bytes of our buffer, and storing to it changes no other buffer;
    - what is kept under `KEY`, and what our handles name, is our buffer;
    - the object that is kept under `KEY` has our bytes, and so has what was read of it;
    - once everything has ended, the arena has exactly the pages of the two others in use.
    """

    def __init__(self, Arena: Any) -> None:
        self.arena = Arena(N_PAGES * PAGE, page_size=PAGE)
        self.left = self.new(LEFT_PAGES, LEFT)
        self.right = self.new(RIGHT_PAGES, RIGHT)

    def new(self, n_pages: int, byte: bytes) -> Any:
        """Allocate a buffer and fill it with a byte."""
        buffer = self.arena.alloc(n_pages * PAGE)
        buffer.view[:] = byte * len(buffer)
        return buffer

    def begin(self) -> None:
        """Allocate our buffer, for two calls."""
        self.arena.objects[KEY] = self.object()
        self.buffer = self.new(OUR_PAGES, OURS)
        # What a call may need that is made of the buffer, without a hold of its own.
        self.offset = self.buffer.offset
        self.seen: list[Any] = []
        self.handles: list[Any] = []
        self.strangers: list[Any] = []

    @staticmethod
    def object(meet: Meet = nothing) -> list[Any]:
        """Return an object to keep: first a view of our bytes."""
        return [memoryview(OURS * OBJECT_BYTES), Loud(meet)]

    def stranger(self) -> None:
        """Let another buffer have pages that are free now."""
        with suppress(OutOfPages):
            self.strangers.append(self.new(OUR_PAGES, STRANGERS))

    def check(self) -> None:
        """Raise `ForeignByte` if anything does not hold; then all of our buffer has ended."""
        self._find()
        self._look()
        self._end()
        used = self.arena.stats().used
        if used != LEFT_PAGES + RIGHT_PAGES:
            # Calls that failed may be in cycles with their tracebacks.
            gc.collect()
            used = self.arena.stats().used
        if used != LEFT_PAGES + RIGHT_PAGES:
            raise ForeignByte(f"{used} pages are in use: {list(self.arena.buffers())}")
        self.arena.verify()

    def _find(self) -> None:
        """Find what is kept or was sent, and the buffer itself, before others take the free pages."""
        for load, handle in self.handles:
            self.see(load(handle))
        if KEY in self.arena:
            self.see(self.arena[KEY])
        if KEY in self.arena.objects:
            self.see(self.arena.objects[KEY][0])
        with suppress(ValueError):
            self.see(self.buffer)
        while free := self.arena.stats().largest_free:
            self.strangers.append(self.new(free, STRANGERS))

    def _look(self) -> None:
        """Look at the bytes of everything, and store to what should be our buffer's."""
        for thing in self.seen:
            with memoryview(thing) as view:
                n = min(view.nbytes, OUR_PAGES * PAGE)
                if view.tobytes()[:n] != OURS * n:
                    raise ForeignByte(f"{thing!r} begins with {view.tobytes()[:4].hex()}")
                if not view.readonly:
                    view.cast("B")[:] = OURS * view.nbytes
        for buffer in self.strangers:
            self._is_still(buffer, STRANGERS)
        self._is_still(self.left, LEFT)
        self._is_still(self.right, RIGHT)

    def _end(self) -> None:
        """Let everything of our buffer end."""
        for row in self.arena.buffers():
            if row.kept:
                self.arena.buffer_at(row.offset).unkeep()
        self.strangers.clear()
        self.seen.clear()
        self.handles.clear()
        del self.buffer

    def see(self, thing: Any) -> None:
        """Note what a call returned: a view, an array, or a Buffer."""
        self.seen.append(self._exporter(thing))

    @staticmethod
    def _exporter(thing: Any) -> Any:
        """What shows the bytes of a thing: uncompiled a Buffer does not export them."""
        return thing.view if hasattr(thing, "unkeep") else thing

    @staticmethod
    def _is_still(buffer: Any, byte: bytes) -> None:
        if bytes(buffer.view) != byte * len(buffer):
            raise ForeignByte(f"{buffer!r} with bytes {byte.hex()} was changed")
