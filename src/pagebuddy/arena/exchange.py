"""What arenas do for objects that travel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pagebuddy.exchange.queue import ArenaQueue


class ArenaExchange:
    """The part of `Arena` that sends objects whose bytes stay where they are."""

    @property
    def _open(self) -> Any:
        """The attachment, unless it was closed."""
        raise NotImplementedError

    def dumps(self, obj: Any) -> bytes:
        """Return an object as bytes, for `loads` of this arena, once, in any process.

        It is a pickle of protocol 5 whose buffers travel as handles: one that lies in this arena stays
        where it is, also in slices and views of it, and any other of 4 KiB or more is copied in once. So
        arrays, data frames, Arrow tables and memoryviews are a few bytes each. `bytes` and `bytearray`
        own their memory by nature and are copied; `PickleBuffer` of one travels as a memoryview.

        Raises what pickling raises, `OutOfPages` and `OutOfTickets`; then nothing of it stays. Until it
        is loaded the arena keeps what it names; see `reap(unclaimed_after=...)`.

        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> data = arena.dumps({"frame": arena.zeros((100, 100), "u1")})
        >>> arena.loads(data)["frame"].shape
        (100, 100)
        """
        from pagebuddy.exchange.dumping import dump

        return dump(self, obj)

    def loads(self, data: Any) -> Any:
        """Return the object that `dumps` made bytes of. It views the arena.

        What it lies in is held until the last view of it dies. What was read-only stays read-only. As
        for any pickle, unpickling runs code that the bytes name: load only what you would run. The
        checksum finds accidents, not malice.

        Raises ValueError for what `dumps` did not make, or was cut or changed since; `StaleHandle` where
        it was loaded before, reaped, or made by another arena; and what unpickling raises. Nothing is
        held then.

        >>> from pagebuddy import Arena
        >>> Arena("1 MiB").loads(b"hello")
        Traceback (most recent call last):
            ...
        ValueError: these 5 bytes were not made by arena.dumps
        """
        from pagebuddy.exchange.delivery import load

        return load(self._open, data)

    def queue(self) -> ArenaQueue:
        """Return a new queue of objects, for the processes that have this arena. Raises OSError.

        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> with arena.queue() as queue:
        ...     queue.put(arena.zeros(1000))
        ...     len(queue.get(timeout=1))
        1000
        """
        from pagebuddy.exchange.queue import ArenaQueue

        return ArenaQueue(self)
