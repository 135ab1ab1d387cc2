"""Figures of an arena at one moment: those of its pages, and its processes, handles and kept buffers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from pagebuddy.allocator.stats import Stats
from pagebuddy.arguments import counted, in_bytes

# The last attributes count what has happened.
_N_COUNTERS = 4


class ArenaStats(Stats):
    """Figures of an arena at one moment. They cannot be changed, and compare equal by value.

    The last four figures only grow, and say what has happened. They are not compared: a call that fails
    leaves an arena as it was, and counts.

    Parameters
    ----------
    n_pages, used, free, largest_free, free_blocks, n_spans
        The attributes of `Stats`: numbers of pages, blocks and buffers.
    page_size, processes, dead, tickets, kept, keys, numpy_fallbacks, lock_waits, failed, reaped, expired
        The attributes below.

    Attributes
    ----------
    page_size : int
        Bytes in a page.
    processes : int
        Number of attached processes, including dead ones that were not reaped yet.
    dead : int
        Number of dead processes that were not reaped yet.
    tickets : int
        Number of handles that were sent and not received yet, without those in queues and topics.
    kept : int
        Number of kept buffers, which outlive the processes that hold them.
    keys : int
        Number of buffers that can be kept: the arena's option `keys`. 0 if unknown, in figures that
        version 0.1 pickled.
    numpy_fallbacks : int
        Number of arrays that got numpy's own memory inside `Arena.numpy_memory`, since this process
        attached: the arena had no room for them, or its lock was not available.
    lock_waits : int
        Number of operations of all processes, since the arena was created, that waited for its lock.
    failed : int
        Number of allocations of all processes, since the arena was created, for which too few pages were
        free.
    reaped : int
        Number of dead processes that were reaped since the arena was created.
    expired : int
        Number of handles that expired since the arena was created, because nobody claimed them in time.

    Examples
    --------
    >>> from pagebuddy import Arena
    >>> arena = Arena("1 MiB")
    >>> buffer = arena.alloc(5000)
    >>> stats = arena.stats()
    >>> stats.n_bytes, stats.used_bytes, stats.largest_free_bytes, stats.processes
    (1048576, 8192, 1040384, 1)
    >>> stats.kept, stats.keys
    (0, 1024)
    >>> print(stats)
    used 8 KiB (2 pages) of 1 MiB in 1 buffer; free 1016 KiB, the largest run 1016 KiB; 1 process
    """

    __slots__ = (  # noqa: RUF023
        "page_size",
        "processes",
        "dead",
        "tickets",
        "kept",
        "keys",
        "numpy_fallbacks",
        "lock_waits",
        "failed",
        "reaped",
        "expired",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (*Stats.__match_args__, *__slots__)

    def __init__(
        self,
        n_pages: int,
        used: int,
        free: int,
        largest_free: int,
        free_blocks: tuple[int, ...],
        n_spans: int,
        page_size: int,
        processes: int,
        dead: int,
        tickets: int,
        kept: int,
        keys: int = 0,
        numpy_fallbacks: int = 0,
        lock_waits: int = 0,
        failed: int = 0,
        reaped: int = 0,
        expired: int = 0,
    ) -> None:
        super().__init__(n_pages, used, free, largest_free, free_blocks, n_spans)
        self.page_size: Final = page_size
        self.processes: Final = processes
        self.dead: Final = dead
        self.tickets: Final = tickets
        self.kept: Final = kept
        self.keys: Final = keys
        self.numpy_fallbacks: Final = numpy_fallbacks
        self.lock_waits: Final = lock_waits
        self.failed: Final = failed
        self.reaped: Final = reaped
        self.expired: Final = expired

    def __setstate__(self, values: Iterable[object]) -> None:
        # Pickles of version 0.1 do not have the last figures.
        there = list(values)
        super().__setstate__(there + [0] * (len(self.__match_args__) - len(there)))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._compared == other._compared

    def __hash__(self) -> int:
        return hash(self._compared)

    @property
    def _compared(self) -> tuple[object, ...]:
        """All figures but those of what has happened."""
        return tuple(self.__getstate__()[:-_N_COUNTERS])

    @property
    def n_bytes(self) -> int:
        """Bytes that can be allocated in all."""
        return self.n_pages * self.page_size

    @property
    def used_bytes(self) -> int:
        """Bytes in buffers, counted in whole pages."""
        return self.used * self.page_size

    @property
    def free_bytes(self) -> int:
        """Free bytes."""
        return self.free * self.page_size

    @property
    def largest_free_bytes(self) -> int:
        """Bytes of the largest buffer that can be allocated."""
        return self.largest_free * self.page_size

    def __str__(self) -> str:
        parts = [
            f"used {in_bytes(self.used_bytes)} ({counted(self.used, 'page')}) "
            f"of {in_bytes(self.n_bytes)} in {counted(self.n_spans, 'buffer')}",
            f"free {in_bytes(self.free_bytes)}, the largest run {in_bytes(self.largest_free_bytes)}",
            "1 process" if self.processes == 1 else f"{self.processes:,} processes",
        ]
        if self.dead:
            parts[-1] += f", {self.dead:,} of them dead"
        if self.tickets:
            parts.append(f"{counted(self.tickets, 'handle')} not yet claimed")
        if self.kept:
            parts.append(f"{counted(self.kept, 'buffer')} kept")
        if self.kept and self.keys:
            parts[-1] += f", of {self.keys:,} keys"
        if self.numpy_fallbacks:
            parts.append(f"{counted(self.numpy_fallbacks, 'array')} in numpy's own memory")
        if self.failed:
            parts.append(f"{counted(self.failed, 'allocation')} failed")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, object]:
        """Return all figures by name, ready for JSON.

        Returns
        -------
        dict
            The figures of `Stats.as_dict`, those above, and the four in bytes.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> Arena("1 MiB").stats().as_dict()["free_bytes"]
        1048576
        """
        return Stats.as_dict(self) | {
            "n_bytes": self.n_bytes,
            "used_bytes": self.used_bytes,
            "free_bytes": self.free_bytes,
            "largest_free_bytes": self.largest_free_bytes,
        }
