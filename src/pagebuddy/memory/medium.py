"""The Protocol that every medium implements, so that an arena works the same on each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol


class Medium(Protocol):
    """Writable memory at one address in this process.

    All offsets and lengths are in bytes. These invariants hold:

    - `memory` stays at its address as long as any view of it lives, also after `close`.
    - No other process can see the memory before `publish`.
    - If the constructor fails, it leaves no descriptor, no file and no mapping behind.
    """

    FOUND_BY: str
    """One letter that says how others find this medium, for handles; "-" if they cannot find it."""

    outlasts_power: bool
    """Whether the memory still exists after a power cut, perhaps without its last changes."""

    seen_by_children: bool
    """Whether a forked child sees what its parent stores after the fork."""

    @property
    def KIND(self) -> str:
        """What messages call this kind of medium."""

    @property
    def size(self) -> int:
        """Number of bytes: the requested size, rounded up to the medium's own pages."""

    @property
    def memory(self) -> memoryview:
        """All bytes, writable. Raises `ArenaClosed` after `close`."""

    @property
    def address(self) -> int:
        """Address of the first byte in this process."""

    @property
    def place(self) -> str:
        """The name or path by which others find this medium; "" if they cannot find it."""

    @property
    def shared(self) -> bool:
        """Whether other processes can map the same memory."""

    @property
    def limited(self) -> bool:
        """Whether a page may lack a block in a file system. Accessing it is fatal if that is full."""

    def fileno(self) -> int:
        """Return the file descriptor.

        Raises
        ------
        ValueError
            If the medium has none, or after `close`.
        """

    def back(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Allocate blocks for these ranges, so that accessing them cannot fail.

        Does nothing unless `limited` is true.

        Parameters
        ----------
        ranges : iterable of (int, int)
            Offset and length of each range.

        Raises
        ------
        OutOfPages
            If the file system is full.
        """

    def publish(self) -> None:
        """Give the medium its name, so that other processes can find it. They see it complete.

        Raises
        ------
        ArenaExists
            If the name is taken.
        """

    def is_linked(self) -> bool:
        """Return false if the medium once had a name and has none any more."""

    def is_cut(self) -> bool:
        """Return whether bytes are known to be missing, so that accessing them is fatal."""

    def trim(self, offset: int, length: int) -> int:
        """Return the whole pages within a range to the system. They then contain zeros.

        Returns
        -------
        int
            Number of bytes freed; 0 if the medium cannot free any.

        Raises
        ------
        ValueError
            If the range is not within the medium.
        """

    def flush(self) -> None:
        """Write all changes so far to the disk, if there is one, and return when they are there."""

    def unlink(self) -> bool:
        """Remove the name, if it still refers to this medium; return whether it did."""

    def at_end(self, call: Callable[[memoryview], None]) -> None:
        """Register a function that is called with the memory after the last view is gone.

        The newest is called first. It must not keep the memory.
        """

    def close(self) -> None:
        """Release the memory. It is unmapped when its last view is gone."""
