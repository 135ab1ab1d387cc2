"""What every medium has, so that an arena need not know which one it stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol


class Medium(Protocol):
    """Writable bytes at one place in this process, and what can be done with them as a whole.

    These hold:
    - `memory` stays where it is, as long as any view of it lives, also after `close`.
    - Nobody else can come to see the bytes before `publish`.
    - Making one that fails leaves nothing behind: no descriptor, no file, no mapping.

    Offsets and lengths are in bytes.
    """

    @property
    def size(self) -> int:
        """How many bytes there are: what was asked for, rounded up to the medium's own pages."""

    @property
    def memory(self) -> memoryview:
        """All bytes, writable. Raises `ArenaClosed` after `close`."""

    @property
    def address(self) -> int:
        """Where the first byte is in this process."""

    @property
    def shared(self) -> bool:
        """Whether other processes can map the same bytes."""

    @property
    def limited(self) -> bool:
        """Whether a page may be missing, and be fatal to touch, though the machine has memory for it."""

    def fileno(self) -> int:
        """The one descriptor. Raises ValueError where there is none, or after `close`."""

    def back(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Have these ranges, offset and length of each, such that to touch them cannot fail.

        Raises `OutOfPages`. Memory that the machine alone limits needs nothing.
        """

    def publish(self) -> None:
        """Let others see it, whole, from one moment to the next. Raises `ArenaExists`."""

    def is_cut(self) -> bool:
        """Whether bytes are known to be missing, so that to touch them would end this process."""

    def trim(self, offset: int, length: int) -> int:
        """Give the whole pages within a range back to the system; return how many bytes that freed.

        Whoever reads there next finds zeros. A medium that cannot do it returns 0.
        """

    def flush(self) -> None:
        """Return when all that was stored so far would survive a power cut, if anything can."""

    def unlink(self) -> bool:
        """Remove the name, if it still is this medium's; return whether it was."""

    def at_end(self, call: Callable[[memoryview], None]) -> None:
        """Have `call` called with the memory when its last view is gone, before it is unmapped."""

    def close(self) -> None:
        """Let go of the memory. It ends, its descriptor with it, when the last view is gone."""
