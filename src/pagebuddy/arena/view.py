"""Looking at an arena, and keeping it in order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pagebuddy.arena.stats import ArenaStats
from pagebuddy.sharing.joining import backing, failures, listing
from pagebuddy.sharing.system.process import now
from pagebuddy.sharing.words import (
    OP_MEASURE,
    OP_REAP,
    OP_REAP_TICKETS,
    OP_REPAIR,
    OP_VERIFY,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from pagebuddy.arena.recording import ArenaRecording
    from pagebuddy.sharing.joining.listing import BufferRow, ProcessRow

# How many bytes are taken out of use at a time to be given back to the system.
_TRIM_BYTES = 16 << 20


class ArenaUpkeep:
    """The part of `Arena` for those who watch and mend."""

    @property
    def _open(self) -> Any:
        """The attachment, unless it was closed."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """Whether this object was closed."""
        return False

    @property
    def _whole(self) -> Any:
        """The attachment, unless its file was cut off, where that can be known."""
        a = self._open
        if a.medium.is_cut():
            raise failures.cut_off()
        return a

    def stats(self) -> ArenaStats:
        """Return the figures of this moment. Cost: a walk through what was ever used.

        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> arena.alloc(10_000).release()
        >>> buffer = arena.alloc(5000)
        >>> arena.stats().used_bytes
        8192
        """
        a = self._whole
        request = a.request(rows=64)
        a.perform(request, OP_MEASURE)
        figures = request.answer
        slots = list(listing.slots_of(a))
        return ArenaStats(
            n_pages=a.layout.n_pages,
            used=a.layout.n_pages - figures["free_pages"],
            free=figures["free_pages"],
            largest_free=figures["longest_run"],
            free_blocks=tuple(request.filled),
            n_spans=figures["n_buffers"],
            page_size=a.layout.page_size,
            processes=len(slots),
            dead=sum(not alive for _, alive in slots),
            tickets=figures["n_tickets"],
            kept=figures["n_kept"],
        )

    def buffers(self) -> Iterator[BufferRow]:
        """Yield a row for each live buffer: offset, n_pages, nbytes, kept, key, holders, tickets.

        In the order of their offsets, each as it is when it is come to. Cost: a walk, in parts, between
        which others may allocate.

        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> arena.alloc(5000, keep="note").release()
        >>> [(row.offset, row.nbytes, row.key) for row in arena.buffers()]
        [(0, 5000, 'note')]
        """
        return listing.buffers_of(self._whole)

    def processes(self) -> list[ProcessRow]:
        """Return a row for each process: what it holds, and whether it is alive. Cost: as `buffers`.

        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> buffer = arena.alloc(5000)
        >>> [(row.me, row.alive, row.buffers, row.nbytes) for row in arena.processes()]
        [(True, True, 1, 8192)]
        """
        return listing.processes_of(self._whole)

    def verify(self) -> None:
        """Prove every invariant. Raises `CorruptMetadata` that names the one that does not hold.

        `OutOfPages` where a full file system has no room for what is to be read.

        Cost: a walk, under the lock.
        """
        a = self._whole
        backing.back_all_bits(a)
        request = a.request()
        a.perform(request, OP_VERIFY)
        found = request.answer
        if found["fault"]:
            raise failures.corrupt(found["fault"], found["node"])

    def recover(self) -> None:
        """Rebuild all but the truth from the truth: the records, holds, keys and tickets.

        This happens by itself after a process was killed at work; here it is for what `verify` found.
        Raises `CorruptMetadata` where a record itself cannot be, `OutOfPages` where a full file system
        has no room for what is to be rebuilt. Cost: a walk, under the lock.
        """
        a = self._whole
        a.perform(a.request(), OP_REPAIR)

    def reap(self, *, unclaimed_after: float | None = None) -> int:
        """Free what the dead held; return how many dead processes there were.

        This happens by itself when a process attaches, and where an allocation, a handle or a slot would
        not be had otherwise. With `unclaimed_after` handles that were made at least so many seconds ago,
        and not claimed yet, end as well: whoever claims one later gets `StaleHandle`. Cost: a walk under
        the lock, if one had died.

        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> data = arena.dumps(memoryview(bytes(5000)))       # sent to nobody
        >>> arena.stats().used_bytes
        8192
        >>> arena.reap(unclaimed_after=0)
        0
        >>> arena.stats().used_bytes
        0
        """
        a = self._whole
        age = failures.seconds(unclaimed_after, "unclaimed_after")
        request = a.request()
        a.perform(request, OP_REAP)
        if age is not None:
            least_age_ms = math.ceil(age * 1000)
            a.perform(a.request(now_ms=now(), least_age_ms=least_age_ms), OP_REAP_TICKETS)
        return request.answer["n_ended"]  # type: ignore[no-any-return]

    def trim(self) -> int:
        """Give pages that are free, but were used, back to the system; return how many bytes that freed.

        They cost nothing until they are used again, and are then zero. Where an arena was made with
        `reserve`, they are reserved no longer. Others may allocate meanwhile. Cost: a few microseconds a
        page, now and at its next use.

        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> arena.full(100_000, 7.0).nbytes
        800000
        >>> arena.trim()
        802816
        """
        a = self._whole
        at, freed = 0, 0
        while (taken := a.take_free(at, max(_TRIM_BYTES // a.layout.page_size, 1))) is not None:
            freed += a.medium.trim(a.layout.data_at + taken.offset, taken.capacity)
            at = taken.offset + taken.capacity
            taken.release()
            if at >= a.layout.data_bytes:
                break
        return freed

    def record(self, path: str | os.PathLike[str]) -> ArenaRecording:
        """Record into a file, from now on, what this process has of the arena, for `pagebuddy replay`.

        A line is an allocation where this process begins to hold a buffer: it allocated it, claimed a
        handle of it, or found it. It is a free where the last object of it dies here, whoever else has
        the buffer then; a resize is both. What is held already comes first. Other processes are not
        seen: each may record into a file of its own. A forked child does not go on with it.

        It ends with `stop()`, the end of a `with`, or the interpreter's; until then the arena stays
        attached. After a kill the file is whole, and lacks 4 KiB of lines at most. Raises ValueError for
        a path that is no file, ends in .gz, or is recorded into, and for a second recording at a time;
        OSError. Cost: about 20 ns an event; nothing while nothing is recorded.

        >>> from tempfile import NamedTemporaryFile
        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> with NamedTemporaryFile("r", suffix=".csv") as file:
        ...     with arena.record(file.name):
        ...         arena.alloc(5000).release()
        ...     print(file.read(), end="")
        op,id,bytes
        alloc,0,5000
        free,0,
        """
        from pagebuddy.arena.recording import ArenaRecording

        return ArenaRecording(self._open, path)

    def flush(self) -> None:
        """Return when all that was stored would survive a power cut, if this is a file.

        Raises OSError where the system could not store it. Cost: that of the disk.
        """
        self._whole.medium.flush()

    def _repr_html_(self) -> str | None:
        """For notebooks: the memory as a picture, by holder, in the colours of the page around it."""
        from pagebuddy.tools.arenas.arena_layout import layout_of
        from pagebuddy.tools.pictures.notebook import as_html

        return None if self.closed else as_html(layout_of(self), title=repr(self)[1:-1])

    def _repr_svg_(self) -> str | None:
        """The same picture on a paper of its own."""
        from pagebuddy.tools.arenas.arena_layout import layout_of
        from pagebuddy.tools.pictures.notebook import as_picture

        return None if self.closed else as_picture(layout_of(self), title=repr(self)[1:-1])
