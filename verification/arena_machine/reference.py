"""An object of this process that refers to a buffer's bytes. Used by the rules."""

from __future__ import annotations

from typing import Any


class Reference:
    """A Buffer, view or array that shows the bytes at `places` of the buffer at `page`.

    Views and arrays have one dimension and single-byte elements, and may have a step. A released Buffer
    shows nothing; it holds its pages only if its buffer protocol was used (`served`). Through one that
    is `readonly` nothing can be stored.
    """

    def __init__(
        self,
        page: int,
        thing: Any,
        places: range,
        *,
        is_buffer: bool = False,
        readonly: bool = False,
    ) -> None:
        self.page = page
        self.thing = thing
        self.places = places
        self.is_buffer = is_buffer
        self.readonly = readonly
        self.released = False
        self.served = False

    @property
    def holds(self) -> bool:
        """Whether it keeps its pages."""
        return not self.released or self.served

    @property
    def shows(self) -> bool:
        """Whether its bytes are accessible."""
        return not self.released

    @property
    def cut(self) -> slice:
        """Its places as a slice, which also fits a buffer that is shorter by now."""
        places = self.places
        return slice(places.start, max(places.stop, places.start), places.step)

    @property
    def view(self) -> Any:
        """The object with the bytes."""
        return self.thing.view if self.is_buffer else self.thing

    def read(self) -> bytes:
        """Return the bytes that it shows."""
        return bytes(self.view.tobytes())

    def write(self, content: bytes, contents: bytearray) -> None:
        """Write as many of these bytes as it shows, and update `contents` as far as it is known."""
        self.view[:] = memoryview(content)[: len(self.places)]
        known = range(len(contents))[self.cut]
        contents[self.cut] = content[: len(known)]

    def part(self, cut: slice) -> Reference:
        """Return a reference to a view of a part of it."""
        return Reference(self.page, self.view[cut], self.places[cut], readonly=self.readonly)

    def is_sound(self, contents: bytearray) -> bool:
        """Return whether it shows what was written, as far as that is known."""
        expected = contents[self.cut]
        return self.read()[: len(expected)] == bytes(expected)
