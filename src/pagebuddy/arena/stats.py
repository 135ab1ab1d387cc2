"""Figures of an arena at one moment: those of its allocator, and who has what."""

from __future__ import annotations

from dataclasses import dataclass

from pagebuddy.allocator.stats import Stats


@dataclass(frozen=True, slots=True)
class ArenaStats(Stats):
    """`Stats` of an arena's pages, and besides:

    - `page_size`, in bytes
    - `processes`: how many are attached, `dead` ones among them that nobody has reaped yet
    - `tickets`: handles on their way
    - `kept`: buffers that outlast their holders

    >>> from pagebuddy import Arena
    >>> arena = Arena("1 MiB")
    >>> buffer = arena.alloc(5000)
    >>> stats = arena.stats()
    >>> stats.n_bytes, stats.used_bytes, stats.largest_free_bytes, stats.processes
    (1048576, 8192, 1040384, 1)
    """

    page_size: int
    processes: int
    dead: int
    tickets: int
    kept: int

    @property
    def n_bytes(self) -> int:
        """Bytes that can be allocated in all."""
        return self.n_pages * self.page_size

    @property
    def used_bytes(self) -> int:
        """Bytes in buffers, whole pages."""
        return self.used * self.page_size

    @property
    def free_bytes(self) -> int:
        """Bytes that are free."""
        return self.free * self.page_size

    @property
    def largest_free_bytes(self) -> int:
        """The largest buffer that can be had."""
        return self.largest_free * self.page_size

    def as_dict(self) -> dict[str, object]:
        """All figures by name, ready for JSON."""
        return Stats.as_dict(self) | {
            "n_bytes": self.n_bytes,
            "used_bytes": self.used_bytes,
            "free_bytes": self.free_bytes,
            "largest_free_bytes": self.largest_free_bytes,
        }
