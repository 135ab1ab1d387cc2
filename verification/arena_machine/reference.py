"""One object of this process that leads to a buffer's bytes."""

from __future__ import annotations

from typing import Any


class Reference:
    """A Buffer, a view or an array: of the buffer at a page it shows the bytes at `places`.

    Views and arrays are of single bytes and in one dimension, and may step. A Buffer that was released
    shows nothing, and holds its pages only if it was served: if its buffer protocol was used.
    """

    def __init__(self, page: int, thing: Any, places: range, *, is_buffer: bool = False) -> None:
        self.page = page
        self.thing = thing
        self.places = places
        self.is_buffer = is_buffer
        self.released = False
        self.served = False

    @property
    def holds(self) -> bool:
        """Whether it keeps its pages."""
        return not self.released or self.served

    @property
    def shows(self) -> bool:
        """Whether its bytes can be had."""
        return not self.released

    @property
    def cut(self) -> slice:
        """Its places, of a buffer that may be shorter."""
        places = self.places
        return slice(places.start, max(places.stop, places.start), places.step)

    @property
    def view(self) -> Any:
        """What has the bytes."""
        return self.thing.view if self.is_buffer else self.thing

    def read(self) -> bytes:
        """The bytes that it shows."""
        return bytes(self.view.tobytes())

    def write(self, content: bytes, contents: bytearray) -> None:
        """Write as many of these bytes as it shows, and note them where the contents are known."""
        self.view[:] = memoryview(content)[: len(self.places)]
        known = range(len(contents))[self.cut]
        contents[self.cut] = content[: len(known)]

    def part(self, cut: slice) -> Reference:
        """A view of a part of it; of a Buffer, one of its own."""
        return Reference(self.page, self.view[cut], self.places[cut])

    def is_sound(self, contents: bytearray) -> bool:
        """Whether it shows what was written, as far as that is known."""
        expected = contents[self.cut]
        return self.read()[: len(expected)] == bytes(expected)
