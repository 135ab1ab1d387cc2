"""ArenaView: what can be observed of an arena, and nothing that changes it.

`Arena` has it, and so has the `Snapshot` of an arena that the tools read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuddy.arena.stats import ArenaStats
from pagebuddy.sharing.joining import failures, listing
from pagebuddy.sharing.words import (
    A_EXPIRED,
    A_FAILURES,
    A_LOCK_WAITS,
    A_REAPED,
    OP_MEASURE,
    OP_VERIFY,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.sharing.joining.listing import BufferRow, ProcessRow


class ArenaView:
    """The part of an arena that can be observed: its figures, buffers, processes, keys and picture."""

    @property
    def _open(self) -> Attachment:
        """The attachment. Raises `ArenaClosed` if there is none any more."""
        raise NotImplementedError

    @property
    def _whole(self) -> Attachment:
        """The attachment. Raises `CorruptMetadata` if the arena's file was cut, as far as is known."""
        a = self._open
        if a.medium.is_cut():
            raise failures.cut_off()
        return a

    @property
    def closed(self) -> bool:
        """Whether this object was closed."""
        return False

    def stats(self) -> ArenaStats:
        """Return the arena's figures at this moment.

        Returns
        -------
        ArenaStats
            Figures whose names end in ``_bytes`` are in bytes; ``used``, ``free`` and ``largest_free``
            are in pages.

        Notes
        -----
        Walks through all that was ever used, with the arena locked.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> buffer = arena.alloc(5000)
        >>> stats = arena.stats()
        >>> stats.used_bytes, stats.used
        (8192, 2)
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
            keys=a.layout.n_entries,
            numpy_fallbacks=a.numpy_fallbacks,
            lock_waits=a.memory[A_LOCK_WAITS],
            failed=a.memory[A_FAILURES],
            reaped=a.memory[A_REAPED],
            expired=a.memory[A_EXPIRED],
        )

    def buffers(self) -> Iterator[BufferRow]:
        """Iterate over the live buffers, in the order of their offsets.

        Yields
        ------
        BufferRow
            ``offset`` and ``nbytes`` in bytes, ``n_pages``, ``kept``, ``key``, ``holders`` (slots of
            processes) and ``tickets`` (unclaimed handles), each as it is when the iterator reaches it.

        Notes
        -----
        Walks in parts. Other processes can allocate between two parts.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> arena.alloc(5000, keep="note").release()
        >>> [(row.offset, row.nbytes, row.key) for row in arena.buffers()]
        [(0, 5000, 'note')]
        """
        return listing.buffers_of(self._whole)

    def processes(self) -> list[ProcessRow]:
        """Return a row for each process that is attached, or died while it was attached.

        Returns
        -------
        list of ProcessRow
            In the order of their slots. ``alive`` says whether the process is alive, ``me`` whether it
            is this process; ``buffers`` and ``nbytes`` (bytes) are what it holds.

        Notes
        -----
        Walks through the buffers, as `buffers` does.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> buffer = arena.alloc(5000)
        >>> [(row.me, row.alive, row.buffers, row.nbytes) for row in arena.processes()]
        [(True, True, 1, 8192)]
        """
        return listing.processes_of(self._whole)

    def keys(self) -> list[str]:
        """Return the keys of all kept buffers that have one.

        Returns
        -------
        list of str
            In alphabetical order.

        Notes
        -----
        Walks through the directory of kept buffers.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> arena.alloc(5, keep="note").release()
        >>> arena.keys()
        ['note']
        """
        return listing.keys_of(self._whole)

    def verify(self) -> None:
        """Check every invariant of the arena.

        Raises
        ------
        CorruptMetadata
            If an invariant is violated; the error names it. `Arena.recover` may repair it.
        OutOfPages
            If a full file system has no room for the tables that are read.

        Notes
        -----
        Walks through all that was ever used, with the arena locked.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> Arena("1 MiB").verify()
        """
        a = self._whole
        request = a.request()
        a.perform(request, OP_VERIFY)
        found = request.answer
        if found["fault"]:
            raise failures.corrupt(found["fault"], found["node"])

    def _repr_html_(self) -> str | None:
        """Return the memory by holder as a picture for notebooks, in the colours of their page."""
        from pagebuddy.tools.arenas.arena_layout import layout_of
        from pagebuddy.tools.pictures.notebook import as_html

        return None if self.closed else as_html(layout_of(self), title=repr(self)[1:-1])

    def _repr_svg_(self) -> str | None:
        """Return the same picture with a background of its own."""
        from pagebuddy.tools.arenas.arena_layout import layout_of
        from pagebuddy.tools.pictures.notebook import as_picture

        return None if self.closed else as_picture(layout_of(self), title=repr(self)[1:-1])
