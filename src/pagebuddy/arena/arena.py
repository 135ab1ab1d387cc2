"""Arena: an allocator together with its memory, for one process or for many.

`Arena` is what users call. Making arenas is in `making`, what can be observed in `view`, and the path of
each allocation in `buffers`.
"""

from __future__ import annotations

import math
import os
import sys
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

from pagebuddy.arena import making
from pagebuddy.arena.view import ArenaView
from pagebuddy.arguments import in_bytes, whole
from pagebuddy.buffers.arrays import numpy, pages_of
from pagebuddy.buffers.closing import arena_was_closed
from pagebuddy.engine import ENGINE
from pagebuddy.errors import ArenaExists, ArenaNotFound
from pagebuddy.exchange.dumping import dump, pickled
from pagebuddy.memory.options import Options
from pagebuddy.memory.sizes import bytes_of
from pagebuddy.pickled import name_of
from pagebuddy.sharing.joining import attaching, failures, listing, trimming
from pagebuddy.sharing.system.clock import clock_ms
from pagebuddy.sharing.words import OP_REAP, OP_REAP_TICKETS, OP_REPAIR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from pagebuddy.arena.numpy_memory import NumpyMemory
    from pagebuddy.arena.objects import ArenaObjects
    from pagebuddy.arena.recording import ArenaRecording
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.buffer import Buffer
    from pagebuddy.engine import Engine
    from pagebuddy.messages.queue import ArenaQueue
    from pagebuddy.messages.topic import ArenaTopic


class Arena(ArenaView):
    """Memory that processes share, with an allocator in it.

    Any process that has the arena can allocate buffers and arrays in it, and can free them. A buffer is
    freed when no process refers to it any more. A process that is killed at any instruction cannot
    corrupt the arena or leak memory.

    ``Arena(size)`` makes an anonymous arena. It is passed to other processes as an argument, or by its
    file descriptor, and disappears with the last process that uses it. The class methods `create`,
    `attach`, `open`, `file` and `over` make or open other kinds of arenas.

    Parameters
    ----------
    size : int or str
        Bytes that can be allocated in total, or text such as ``"2 GiB"``. Rounded up to whole pages. An
        arena does not grow. Pages that were never used take no memory.
    page_size : int, optional
        Bytes in a page, a power of two from 64 on. Buffers occupy whole pages. Default: 4096.
    max_order : int, optional
        The largest block of the allocator has ``2**max_order`` pages; from 0 to 31. Longer buffers are
        found across blocks. By default chosen from the size.
    slots : int, optional
        One more than the number of processes that can use the arena at the same time. Rounded up to 48,
        112, 176 and so on, at most 1024. Default: 48, for 47 processes.
    lock : str, optional
        ``"mutex"`` is faster, and needs the compiled engine and processes of one pid namespace.
        ``"file"`` works without a compiled engine and between containers. By default ``"mutex"`` if the
        engine is compiled, else ``"file"``.
    reserve : bool, optional
        Reserve memory for every page now. Then a lack of memory is an `OutOfPages` here, not a SIGBUS
        when a page is first touched. Default: False.
    populate : bool, optional
        Reserve and map every page now, so that no page fault occurs later in this process. Default:
        False.
    huge : int or str, optional
        Use large pages of the machine: ``"transparent"``, or their size in bytes, or as text such as
        ``"2 MiB"``. By default not used.
    keys : int, optional
        How many buffers can be kept, with or without a key; from 1 to 2**20. Each takes 128 bytes, when
        it is first used or, with `reserve`, now. By default one for 16 pages, from 1024 to
        65536.
    expires : float, optional
        Seconds after which handles of this arena expire, unless they say otherwise; it is not
        changed later. By default they do not expire.

    Raises
    ------
    OutOfPages
        If the system has no room for the arena's tables, or with `reserve` for its pages.
    TypeError, ValueError
        If an argument has a wrong type or value.

    Notes
    -----
    Takes less than 2 ms for any size. Threads can share an `Arena` object. It is a context
    manager, which calls `close` at the end.

    Examples
    --------
    >>> arena = Arena("64 MiB")
    >>> buffer = arena.alloc(1_000_000)
    >>> buffer.view[:5] = b"hello"
    >>> arena.stats().used_bytes
    1003520
    >>> del buffer                          # its pages are free again
    >>> arena.stats().used_bytes
    0
    """

    _engine: Engine = ENGINE

    def __init__(
        self,
        size: int | str,
        *,
        page_size: SupportsIndex = 4096,
        max_order: SupportsIndex | None = None,
        slots: SupportsIndex = 48,
        lock: str | None = None,
        reserve: bool = False,
        populate: bool = False,
        huge: str | int | None = None,
        keys: SupportsIndex | None = None,
        expires: float | None = None,
    ) -> None:
        layout = making.layout_of(
            self._engine, size, page_size, max_order, slots, keys, lock, expires
        )
        options = Options(reserve, populate, huge)
        self._begin(making.make_anonymous(self._engine, layout, options))

    # -- making and attaching --------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        name: str,
        size: int | str,
        *,
        page_size: SupportsIndex = 4096,
        max_order: SupportsIndex | None = None,
        slots: SupportsIndex = 48,
        lock: str | None = None,
        reserve: bool = False,
        populate: bool = False,
        huge: str | int | None = None,
        mode: int | None = None,
        keys: SupportsIndex | None = None,
        expires: float | None = None,
    ) -> Self:
        """Create an arena with a name, so that other processes can attach to it.

        The arena is the file ``/dev/shm/NAME``. It exists until `unlink` is called or the machine
        restarts.

        Parameters
        ----------
        name : str
            1 to 100 letters, digits, ``.``, ``-`` and ``_``; the first is not a dot.
        size : int or str
            Bytes that can be allocated in total, or text such as ``"2 GiB"``. Rounded up to whole pages.
        page_size : int, optional
            Bytes in a page, a power of two from 64 on. Default: 4096.
        max_order : int, optional
            The largest block of the allocator has ``2**max_order`` pages; from 0 to 31. By default
            chosen from the size.
        slots : int, optional
            One more than the number of processes that can use the arena at the same time. Rounded up to
            48, 112, 176 and so on, at most 1024. Default: 48, for 47 processes.
        lock : str, optional
            ``"mutex"``, or ``"file"`` for processes of several containers or without a compiled engine.
            By default ``"mutex"`` if the engine is compiled, else ``"file"``.
        reserve : bool, optional
            Reserve memory for every page now. Then a lack of memory is an `OutOfPages` here, not a
            SIGBUS when a page is first touched. Default: False.
        populate : bool, optional
            Reserve and map every page now, so that no page fault occurs later in this process. Default:
            False.
        huge : str, optional
            ``"transparent"`` to ask for large pages. A named arena cannot choose their size. By default
            not used.
        mode : int, optional
            Permissions of the file, at most 0o664. Default: 0o600, the owner alone.
        keys : int, optional
            How many buffers can be kept, with or without a key; from 1 to 2**20. Each takes 128 bytes,
            when it is first used or, with `reserve`, now. By default one for 16 pages, from 1024 to
            65536.
        expires : float, optional
            Seconds after which handles of this arena expire, unless they say otherwise; it is not
            changed later. By default they do not expire.

        Returns
        -------
        Arena
            The new arena.

        Raises
        ------
        ArenaExists
            If the name is taken.
        OutOfPages
            If `/dev/shm` has no room for the arena's tables, or with `reserve` for its pages.
        TypeError, ValueError
            If an argument has a wrong type or value.

        Notes
        -----
        Takes less than 2 ms for any size.

        Examples
        --------
        >>> arena = Arena.create("doc-of-create", "1 MiB")
        >>> Arena.attach("doc-of-create").size
        1048576
        >>> arena.unlink()
        True
        """
        layout = making.layout_of(
            cls._engine, size, page_size, max_order, slots, keys, lock, expires
        )
        options = Options(reserve, populate, huge, mode)
        return cls._of(making.make_named(cls._engine, name, layout, options))

    @classmethod
    def attach(cls, arena: str | SupportsIndex, *, readonly: bool = False) -> Self:
        """Attach to an arena that exists.

        Parameters
        ----------
        arena : str or int
            The arena's name, or a file descriptor of it, which remains the caller's.
        readonly : bool, optional
            Map the pages read-only in this process. Buffers, arrays and objects of the arena are then
            read-only here, and a store through a raw pointer kills this process, and no other.
            Handles, keys and objects can be received and found; allocating raises `OutOfPages`, with the
            reason. Default: False.

        Returns
        -------
        Arena
            If this process is attached already, another `Arena` that uses the same attachment.

        Raises
        ------
        ArenaNotFound
            If there is no arena of this name.
        OutOfSlots
            If as many processes are attached as the arena has room for.
        CorruptMetadata
            If the file is not an arena, or is damaged.
        TimeoutError
            If another process has been attaching for ten seconds.
        PermissionError
            If this process may not write to the arena's file. Also with `readonly`, it stores in the
            arena's tables what it holds.
        ValueError
            If the file must not be trusted, or cannot be shared with this process, or this process has
            attached it in the other mode.

        Notes
        -----
        Takes less than 2 ms for any size. Memory of dead processes is reaped. A process has one
        attachment to an arena, and so one mode. Forked children have the mode of their parent; a pickled
        `Arena` has that of its process, unless the receiver has attached the arena already. `readonly`
        prevents mistakes, not malice: the tables can be written, and the program could attach again.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> Arena.attach(arena.fileno()).size
        1048576
        """
        return cls._of(making.attach_to(cls._engine, arena, readonly))

    @classmethod
    def open(
        cls,
        name: str,
        size: int | str,
        *,
        page_size: SupportsIndex = 4096,
        max_order: SupportsIndex | None = None,
        slots: SupportsIndex = 48,
        lock: str | None = None,
        reserve: bool = False,
        populate: bool = False,
        huge: str | int | None = None,
        mode: int | None = None,
        keys: SupportsIndex | None = None,
        expires: float | None = None,
    ) -> Self:
        """Attach to the arena of this name, or create it if there is none.

        Parameters
        ----------
        name : str
            The name, as for `create`.
        size : int or str
            Bytes that can be allocated in total, or text such as ``"2 GiB"``. An arena that exists must
            have this size.
        page_size : int, optional
            Bytes in a page, a power of two from 64 on. Default: 4096.
        max_order : int, optional
            The largest block of the allocator has ``2**max_order`` pages; from 0 to 31. By default
            chosen from the size.
        slots : int, optional
            One more than the number of processes that can use the arena at the same time. Rounded up to
            48, 112, 176 and so on, at most 1024. Default: 48, for 47 processes.
        lock : str, optional
            ``"mutex"``, or ``"file"`` for processes of several containers or without a compiled engine.
            By default ``"mutex"`` if the engine is compiled, else ``"file"``.
        reserve : bool, optional
            Reserve memory for every page now. Then a lack of memory is an `OutOfPages` here, not a
            SIGBUS when a page is first touched. Default: False.
        populate : bool, optional
            Reserve and map every page now, so that no page fault occurs later in this process. Default:
            False.
        huge : str, optional
            ``"transparent"`` to ask for large pages. By default not used.
        mode : int, optional
            Permissions of the file, at most 0o664. Default: 0o600, the owner alone.
        keys : int, optional
            How many buffers can be kept, with or without a key; from 1 to 2**20. Each takes 128 bytes,
            when it is first used or, with `reserve`, now. By default one for 16 pages, from 1024 to
            65536.
        expires : float, optional
            Seconds after which handles of this arena expire, unless they say otherwise; it is not
            changed later. By default they do not expire.

        Returns
        -------
        Arena
            The arena.

        Raises
        ------
        ValueError
            If an arena of another size exists.
        Exception
            All others that `create` and `attach` raise, except `ArenaExists` and `ArenaNotFound`.

        Notes
        -----
        The options after `size` are used only if the arena is created.

        Examples
        --------
        >>> arena = Arena.open("doc-of-open", "1 MiB")
        >>> Arena.open("doc-of-open", "1 MiB").unlink()
        True
        """
        while True:
            try:
                return cls.attach(name)._sized(size, name)
            except ArenaNotFound:
                pass
            try:
                return cls.create(
                    name,
                    size,
                    page_size=page_size,
                    max_order=max_order,
                    slots=slots,
                    lock=lock,
                    reserve=reserve,
                    populate=populate,
                    huge=huge,
                    mode=mode,
                    keys=keys,
                    expires=expires,
                )
            except ArenaExists:
                # Another process was quicker. If the file is not an arena, attaching says so.
                continue

    @classmethod
    def file(
        cls,
        path: str | os.PathLike[str],
        size: int | str | None = None,
        *,
        page_size: SupportsIndex = 4096,
        max_order: SupportsIndex | None = None,
        slots: SupportsIndex = 48,
        lock: str | None = None,
        reserve: bool = False,
        populate: bool = False,
        mode: int | None = None,
        keys: SupportsIndex | None = None,
        expires: float | None = None,
    ) -> Self:
        """Open the arena in a file, or create the file if there is none.

        Buffers that were kept are found again, also after a restart of the machine. After a power
        failure, bytes that were not flushed may be lost, which is detected.

        Parameters
        ----------
        path : str or os.PathLike
            The file.
        size : int or str, optional
            Bytes that can be allocated in total, or text such as ``"2 GiB"``. A file that exists must
            have this size. Without a size, the file must exist.
        page_size : int, optional
            Bytes in a page, a power of two from 64 on. Default: 4096.
        max_order : int, optional
            The largest block of the allocator has ``2**max_order`` pages; from 0 to 31. By default
            chosen from the size.
        slots : int, optional
            One more than the number of processes that can use the arena at the same time. Rounded up to
            48, 112, 176 and so on, at most 1024. Default: 48, for 47 processes.
        lock : str, optional
            ``"mutex"``, or ``"file"`` for processes of several containers or without a compiled engine.
            By default ``"mutex"`` if the engine is compiled, else ``"file"``.
        reserve : bool, optional
            Reserve disk space for every page now. Then a full disk is an `OutOfPages` here, not a SIGBUS
            when a page is first touched. Default: False.
        populate : bool, optional
            Reserve and map every page now, so that no page fault occurs later in this process. Default:
            False.
        mode : int, optional
            Permissions of the file, at most 0o664. Default: 0o600, the owner alone.
        keys : int, optional
            How many buffers can be kept, with or without a key; from 1 to 2**20. Each takes 128 bytes,
            when it is first used or, with `reserve`, now. By default one for 16 pages, from 1024 to
            65536.
        expires : float, optional
            Seconds after which handles of this arena expire, unless they say otherwise; it is not
            changed later. By default they do not expire.

        Returns
        -------
        Arena
            The arena.

        Raises
        ------
        ArenaNotFound
            If the file does not exist and no size is given.
        OSError
            If the folder does not exist, or this process has no permission.
        ValueError
            If the arena in the file has another size.
        Exception
            All others that `create` and `attach` raise, except `ArenaExists`.

        Notes
        -----
        The options after `size` are used only if the arena is created.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     arena = Arena.file(f"{folder}/store.pb", "1 MiB")
        ...     arena.alloc(5, keep="note").release()
        ...     Arena.file(f"{folder}/store.pb").keys()
        ['note']
        """
        layout = None
        if size is not None:
            layout = making.layout_of(
                cls._engine, size, page_size, max_order, slots, keys, lock, expires
            )
        options = Options(reserve, populate, None, mode)
        arena = cls._of(making.open_file(cls._engine, path, layout, options))
        return arena if size is None else arena._sized(size, os.fspath(path))

    @classmethod
    def over(
        cls,
        memory: Any,
        *,
        page_size: SupportsIndex = 4096,
        max_order: SupportsIndex | None = None,
        keys: SupportsIndex | None = None,
    ) -> Self:
        """Make an arena in memory of the caller, for this process alone.

        The arena's tables are placed in this memory as well. The arena and its views keep the memory
        alive. A forked child may read the buffers that were held at the fork, but cannot use the arena.
        If the child sees the memory itself and not a copy, these buffers stay allocated as long as the
        arena exists.

        Parameters
        ----------
        memory : buffer
            Any writable object with the buffer protocol, for example a bytearray or an mmap.
        page_size : int, optional
            Bytes in a page, a power of two from 64 on. Default: 4096.
        max_order : int, optional
            The largest block of the allocator has ``2**max_order`` pages; from 0 to 31. By default
            chosen from the size.
        keys : int, optional
            How many buffers can be kept, with or without a key; from 1 to 2**20. By default one for 16
            pages, but at least 4 and at most 65536.

        Returns
        -------
        Arena
            The new arena.

        Raises
        ------
        TypeError
            If `memory` has no buffer protocol.
        ValueError
            If `memory` is read-only, or too small for a page and the tables.

        Examples
        --------
        >>> arena = Arena.over(bytearray(1 << 20))
        >>> arena.alloc(5000).capacity
        8192
        """
        return cls._of(attaching.over(cls._engine, memory, page_size, max_order, keys))

    @classmethod
    def _of(cls, attachment: Any) -> Self:
        self = cls.__new__(cls)
        self._begin(attachment)
        return self

    def _begin(self, attachment: Any) -> None:
        self._attachment: Attachment | None = attachment
        self._source: Any = None
        if "numpy" in sys.modules:
            from pagebuddy.buffers.forking_pickler import teach

            teach()
        if type(self).alloc is _ALLOC:
            # Found before the method of this name: one call of C instead of two Python frames.
            self._source = self._engine.BufferSource(attachment)
            self.__dict__["alloc"] = self._source.alloc

    def _sized(self, size: object, name: str) -> Self:
        """Return this arena if it has this size; else close it and raise ValueError."""
        wanted, there = bytes_of(size), self.size
        if -(-wanted // self.page_size) * self.page_size != there:
            self.close()
            raise ValueError(
                f"{name} is an arena of {there} bytes, not of {wanted}; ask for its own size, or "
                "use another name"
            )
        return self

    @property
    def _open(self) -> Attachment:
        if self._attachment is None:
            raise arena_was_closed()
        return self._attachment

    # -- buffers --------------------------------------------------------------------------------

    def alloc(
        self,
        nbytes: int | str,
        *,
        align: int | str | None = None,
        zero: bool = False,
        keep: bool | str | None = None,
        timeout: float | None = None,
    ) -> Buffer:
        """Allocate a buffer.

        Parameters
        ----------
        nbytes : int or str
            Size in bytes, or text such as ``"2 MiB"``. Occupies whole pages.
        align : int or str, optional
            Alignment of the buffer's offset in bytes, a power of two. Defaults to the page size.
        zero : bool, optional
            Fill the buffer with zeros. Default: False.
        keep : bool or str, optional
            True or a key: keep the buffer, as `Buffer.keep` does. By default not kept.
        timeout : float, optional
            Seconds to wait for the arena's lock. By default waits as long as it takes.

        Returns
        -------
        Buffer
            At least `nbytes` bytes; uninitialised unless `zero` is true.

        Raises
        ------
        OutOfPages
            If no free run of pages is large enough, even after reaping dead processes. Also if a full
            file system has no room for the pages; then the error has a cause.
        TimeoutError
            If the lock is not available within `timeout` seconds.
        ArenaClosed
            If this `Arena` object was closed.
        TypeError, ValueError
            If an argument has a wrong type or value, or the key is taken.

        Notes
        -----
        Allocating and freeing takes about 0.1 µs.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> Arena("1 MiB").alloc(100, align=65536, zero=True)
        <Buffer of 100 bytes at offset 0>
        """
        return self._open.alloc(nbytes, align=align, zero=zero, keep=keep, timeout=timeout)

    def buffer_at(self, offset: SupportsIndex) -> Buffer:
        """Return a buffer object for the live buffer at an offset, allocated by any process.

        Parameters
        ----------
        offset : int
            Where the buffer starts, in bytes: its `Buffer.offset` in any process.

        Returns
        -------
        Buffer
            Its `nbytes` is the size that was asked for if the buffer is kept, else its whole pages.

        Raises
        ------
        BadFree
            If no buffer starts there.
        ValueError
            If the offset is outside the arena, or is not a multiple of the page size.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> buffer = arena.alloc(5000)
        >>> arena.buffer_at(buffer.offset).nbytes
        8192
        """
        a = self._open
        at = whole(offset, "offset", most=self.size - 1)
        if at % a.layout.page_size:
            raise ValueError(
                f"offset is {at}; a buffer starts at a multiple of {a.layout.page_size}"
            )
        return a.joined(at)

    def __getitem__(self, key: str) -> Buffer:
        """Return a buffer object for the buffer that is kept under a key.

        Parameters
        ----------
        key : str
            The key that was given to `alloc` or `Buffer.keep`.

        Returns
        -------
        Buffer
            It has the size that was asked for.

        Raises
        ------
        KeyError
            If no buffer is kept under this key.
        TypeError, ValueError
            If this cannot be a key.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> arena.alloc(5, keep="note").release()
        >>> arena["note"].nbytes
        5
        """
        return self._open.found(failures.checked_key(key))

    def __contains__(self, key: object) -> bool:
        """Return whether a buffer is kept under a key, without holding the buffer.

        Parameters
        ----------
        key : object
            A key has 1 to 47 ASCII characters.

        Returns
        -------
        bool
            True if there is one. False also for objects that cannot be a key.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> arena.alloc(5, keep="note").release()
        >>> "note" in arena, "nothing" in arena
        (True, False)
        """
        a = self._open
        # A subclass of `str` could say something else about itself each time.
        text = str.__str__(key) if isinstance(key, str) else ""
        return failures.is_key(text) and a.has_key(text)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys of all kept buffers that have one, as `keys` returns them.

        Yields
        ------
        str
            A key that existed when the iteration began.

        Notes
        -----
        An arena has no length, so that it is true also if it has no keys.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> arena.alloc(5, keep="note").release()
        >>> list(arena)
        ['note']
        """
        return iter(self.keys())

    @property
    def objects(self) -> ArenaObjects:
        """The objects that the arena keeps, by key: a mapping, which all processes share.

        Setting an object copies it into one buffer of the arena, and keeps that. Reading it copies
        nothing: arrays, data frames, Arrow tables and memoryviews inside the object are read-only views
        of the arena, however many processes read it. A reader gets a whole object, the old or the new
        one, and what it got stays valid as long as it is used, whatever happens to the key.

        The keys have 1 to 47 ASCII characters, and are not those of `keys`: the same key may be used
        for a buffer and for an object.

        Raises
        ------
        ArenaClosed
            If this `Arena` object was closed.
        KeyError
            When an object is read or deleted that does not exist.
        OutOfPages
            When an object is set that does not fit. As after any error, nothing has changed.
        OutOfKeys
            When an object is set, and as much is kept as the arena has keys.
        Exception
            What pickling and unpickling raise.

        Notes
        -----
        Reading runs code that the object's pickle names: use arenas of people that you trust. Arrays in
        the arena are copied too, so that an object is one buffer; ``arena.buffer_of(array).keep(key)``
        keeps an array without a copy.

        Examples
        --------
        >>> import numpy as np
        >>> arena = Arena("1 MiB")
        >>> arena.objects["model"] = {"weights": np.ones((3, 4)), "epoch": 5}
        >>> model = arena.objects["model"]              # in any process
        >>> model["epoch"], float(model["weights"].sum()), model["weights"].flags.writeable
        (5, 12.0, False)
        >>> del arena.objects["model"]
        """
        from pagebuddy.arena.objects import ArenaObjects

        self._open  # noqa: B018
        return ArenaObjects(self)

    # -- arrays ----------------------------------------------------------------------------------

    def empty(
        self,
        shape: SupportsIndex | Sequence[SupportsIndex],
        dtype: DTypeLike = float,
        order: Literal["C", "F"] = "C",
    ) -> NDArray[Any]:
        """Return a new numpy array in the arena, without initialising its items.

        Parameters
        ----------
        shape : int or sequence of int
            Items in each dimension.
        dtype : numpy dtype, optional
            Type of the items; must not contain Python objects. Default: float, 8 bytes each.
        order : {"C", "F"}, optional
            Order of the items in memory. Default: ``"C"``.

        Returns
        -------
        numpy.ndarray
            Its pages are freed when the last view of it is gone, in this process and in all others.

        Raises
        ------
        TypeError
            If the dtype contains Python objects.
        ImportError
            If numpy is not installed.
        OutOfPages
            If no free run of pages is large enough.

        Notes
        -----
        Takes less than 1 µs, including freeing it.

        Examples
        --------
        >>> Arena("1 MiB").empty((2, 3), "i4").shape
        (2, 3)
        """
        a = self._attachment
        if a is None:
            raise arena_was_closed()
        # Returned at once, and `_open` not asked: each would take a tenth of the time.
        return a.array(shape, dtype, order, False)  # type: ignore[no-any-return]

    def zeros(
        self,
        shape: SupportsIndex | Sequence[SupportsIndex],
        dtype: DTypeLike = float,
        order: Literal["C", "F"] = "C",
    ) -> NDArray[Any]:
        """Return a new numpy array of zeros in the arena.

        Parameters
        ----------
        shape : int or sequence of int
            Items in each dimension.
        dtype : numpy dtype, optional
            Type of the items; must not contain Python objects. Default: float, 8 bytes each.
        order : {"C", "F"}, optional
            Order of the items in memory. Default: ``"C"``.

        Returns
        -------
        numpy.ndarray
            As `empty` returns it, but filled with zeros.

        Raises
        ------
        Exception
            What `empty` raises.

        Notes
        -----
        Only pages that were used before are overwritten; pages that were never used are zero already.

        Examples
        --------
        >>> Arena("1 MiB").zeros(3).tolist()
        [0.0, 0.0, 0.0]
        """
        array: NDArray[Any] = self._open.array(shape, dtype, order, True)
        return array

    def ones(
        self,
        shape: SupportsIndex | Sequence[SupportsIndex],
        dtype: DTypeLike = float,
        order: Literal["C", "F"] = "C",
    ) -> NDArray[Any]:
        """Return a new numpy array of ones in the arena.

        Parameters
        ----------
        shape : int or sequence of int
            Items in each dimension.
        dtype : numpy dtype, optional
            Type of the items; must not contain Python objects. Default: float, 8 bytes each.
        order : {"C", "F"}, optional
            Order of the items in memory. Default: ``"C"``.

        Returns
        -------
        numpy.ndarray
            As `empty` returns it, but filled with ones.

        Raises
        ------
        Exception
            What `empty` raises.

        Examples
        --------
        >>> Arena("1 MiB").ones(3).tolist()
        [1.0, 1.0, 1.0]
        """
        return self.full(shape, 1, dtype, order)

    def full(
        self,
        shape: SupportsIndex | Sequence[SupportsIndex],
        value: ArrayLike,
        dtype: DTypeLike | None = None,
        order: Literal["C", "F"] = "C",
    ) -> NDArray[Any]:
        """Return a new numpy array in the arena, filled with a value.

        Parameters
        ----------
        shape : int or sequence of int
            Items in each dimension.
        value : scalar or array_like
            The value; an array is broadcast to the shape.
        dtype : numpy dtype, optional
            Type of the items; must not contain Python objects. By default that of the value.
        order : {"C", "F"}, optional
            Order of the items in memory. Default: ``"C"``.

        Returns
        -------
        numpy.ndarray
            As `empty` returns it, but filled.

        Raises
        ------
        Exception
            What `empty` raises.

        Examples
        --------
        >>> Arena("1 MiB").full((2, 2), 7).tolist()
        [[7, 7], [7, 7]]
        """
        np = numpy()
        kind = np.asarray(value).dtype if dtype is None else dtype
        array: NDArray[Any] = self._open.array(shape, kind, order, False, True)
        array[...] = value
        return array

    def copy(self, array: ArrayLike) -> NDArray[Any]:
        """Return a copy of an array in the arena.

        Parameters
        ----------
        array : array_like
            The array to copy.

        Returns
        -------
        numpy.ndarray
            An array in the arena with the same shape, dtype, order and items.

        Raises
        ------
        Exception
            What `empty` raises.

        Examples
        --------
        >>> Arena("1 MiB").copy([[1, 2], [3, 4]]).sum(axis=0).tolist()
        [4, 6]
        """
        np = numpy()
        if hasattr(array, "__dataframe__"):
            raise TypeError(
                f"array is a {type(array).__name__}, not an array; arena.dumps puts whole data frames "
                "into the arena, and arena.copy takes their columns, as arrays"
            )
        given = np.asanyarray(array)
        order = "F" if given.flags.f_contiguous and not given.flags.c_contiguous else "C"
        copied: NDArray[Any] = self._open.array(given.shape, given.dtype, order, False, True)
        copied[...] = given
        return copied

    def numpy_memory(self, threshold: int | str = "64 KiB", *, strict: bool = False) -> NumpyMemory:
        """Let numpy allocate its own arrays in the arena, in a ``with`` block.

        Inside the block, the memory of every array that numpy makes lies in the arena: results of
        expressions, of pandas and scipy, of ``read_csv`` and ``numpy.load``. Sending such an array
        copies nothing. It stays in the arena as long as numpy keeps it, also after the block and after
        `close`.

        Parameters
        ----------
        threshold : int or str, optional
            Arrays of fewer bytes than this get numpy's own memory. Default: ``"64 KiB"``.
        strict : bool, optional
            Raise MemoryError if the arena has no room for an array. By default such an array gets
            numpy's own memory, and is counted in ``stats().numpy_fallbacks``.

        Returns
        -------
        NumpyMemory
            A context manager.

        Raises
        ------
        NotImplementedError
            If the engine is not compiled, or was built without numpy.
        ImportError
            If numpy is not installed.
        TypeError, ValueError
            If an argument has a wrong type or value.

        Notes
        -----
        It applies to the thread and context that enters the block (NEP 49): other threads enter a block
        of their own. Blocks can be nested, also those of different arenas; the innermost one applies.
        An array also counts as not fitting if the file system is full, or if the arena's lock is taken
        for 50 ms.

        Examples
        --------
        >>> import numpy as np
        >>> arena = Arena("16 MiB")
        >>> a, b = np.ones(100_000), np.ones(100_000)
        >>> with arena.numpy_memory():
        ...     c = a + b
        >>> arena.buffer_of(c).nbytes
        800000
        """
        from pagebuddy.arena.numpy_memory import NumpyMemory

        return NumpyMemory(self._open, threshold, strict)

    def asarray(self, array: ArrayLike) -> NDArray[Any]:
        """Return an array itself if it lies in the arena, else a copy of it in the arena.

        Parameters
        ----------
        array : array_like
            An array, or what `copy` takes.

        Returns
        -------
        numpy.ndarray
            `array` itself, or what `copy` returns.

        Raises
        ------
        Exception
            What `copy` raises.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> array = arena.asarray([1, 2, 3])
        >>> arena.asarray(array) is array
        True
        """
        there = isinstance(array, numpy().ndarray) and self._open.buffer_over(pages_of(array))
        mine: NDArray[Any] = array if there else self.copy(array)  # type: ignore[assignment]
        return mine

    def buffer_of(self, array: Any) -> Buffer:
        """Return a buffer object for the pages of an array.

        Parameters
        ----------
        array : numpy.ndarray or memoryview
            An array in this arena, or a view of one.

        Returns
        -------
        Buffer
            The whole buffer that the array lies in.

        Raises
        ------
        ValueError
            If the array is not in this arena.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> array = arena.empty(1000)
        >>> arena.buffer_of(array[5:10]).nbytes
        8000
        """
        buffer: Buffer | None = self._open.buffer_over(pages_of(array))
        if buffer is None:
            raise ValueError(
                "the array is not in this arena; make it with arena.empty, or copy it with arena.copy"
            )
        return buffer

    # -- sending ---------------------------------------------------------------------------------

    def dumps(
        self,
        obj: Any,
        *,
        receivers: int | None = 1,
        expires: float | None = None,
        readonly: bool = False,
    ) -> bytes:
        """Serialize an object to a few bytes; its buffers stay in the arena.

        Arrays, data frames, Arrow tables and memoryviews in this arena, and slices and views of them,
        are sent as handles, without a copy. Other buffers of 4 KiB or more are copied into the arena
        once. `bytes` and `bytearray` are copied, because they own their memory.

        Parameters
        ----------
        obj : object
            Any object that can be pickled.
        receivers : int, optional
            How many times the bytes can be loaded, from 1 to 2**32 - 1; None for any number until they
            expire. All receivers share the same memory, and see what one of them stores there.
            Default: 1.
        expires : float, optional
            Seconds after which the bytes cannot be loaded any more, and the arena no longer keeps the
            buffers for them. By default as the arena was made with; if that
            does not expire either, `receivers` must be a number.
        readonly : bool, optional
            Whether receivers get arrays with ``writeable=False`` and read-only memoryviews. A `Buffer`
            that is sent itself arrives as it is. Default: False.

        Returns
        -------
        bytes
            To be given to `loads` of the same arena, in any process. Until then the arena keeps the
            buffers; see ``reap(unclaimed_after=...)``.

        Raises
        ------
        ValueError
            If `receivers` is None without `expires`; if `receivers` is less than 1 or too large, or
            `expires` not more than 0, infinite or NaN.
        TypeError
            If `receivers` or `expires` has a wrong type.
        OutOfPages
            If there is no room for a copy.
        OutOfTickets
            If there are as many unclaimed handles as the arena has room for.
        Exception
            What pickling the object raises. After any of these errors nothing stays in the arena.

        Notes
        -----
        Takes about 1 µs for an array of numbers in the arena, and 1 µs more for each other one in a flat
        tuple, list or dict. Scalars, bytes, arrays of numbers, memoryviews and Buffers, and up to 255 of
        them in a tuple, list or dict, need no pickler. The bytes of all other objects are a pickle of
        protocol 5 with its buffers out of band (PEP 574), which takes about 15 µs.

        A receiver counts when it loads the bytes, whether that succeeds or not. If it is killed
        meanwhile, one receiver too many may be able to load them, never one too few. What has expired is
        freed when a process attaches, reaps, or finds too little room. The time does not advance while
        the machine is suspended, and starts again if it restarts.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> data = arena.dumps({"frame": arena.zeros((100, 100), "u1")})
        >>> arena.loads(data)["frame"].shape
        (100, 100)

        >>> data = arena.dumps(arena.zeros(3), receivers=2, expires=60, readonly=True)
        >>> arena.loads(data), arena.loads(data).flags.writeable
        (array([0., 0., 0.]), False)
        """
        if receivers == 1 and type(receivers) is int and expires is None and not readonly:
            # Most calls.
            return self._open.dumped(self, obj, pickled)  # type: ignore[no-any-return]
        from pagebuddy.sharing.joining.sending import terms

        n_claims, life_ms = terms(receivers, expires, self._open.layout.life_ms)
        return dump(self, obj, n_claims=n_claims, life_ms=life_ms, readonly=bool(readonly))

    def loads(self, data: Any) -> Any:
        """Return the object that `dumps` serialized. Its arrays are views of the arena.

        Unpickling runs code that the bytes name: load only bytes from sources that you trust. The
        checksum finds accidents, not attacks.

        Parameters
        ----------
        data : bytes
            What `dumps` returned, in any process.

        Returns
        -------
        object
            The object. Its buffers stay allocated until the last view of them is gone. Views that were
            read-only are read-only.

        Raises
        ------
        ValueError
            If the bytes were not made by `dumps`, or were changed.
        StaleHandle
            If the bytes were loaded as often as their sender allowed, have expired, were reaped, or are
            of another arena.
        Exception
            What unpickling raises. After any of these errors nothing is held.

        Notes
        -----
        Takes about 1 µs for an array of numbers, and 4 µs for an object that needs a pickler.

        Examples
        --------
        >>> Arena("1 MiB").loads(b"hello")
        Traceback (most recent call last):
            ...
        ValueError: these 5 bytes were not made by arena.dumps
        """
        return self._open.loaded(data)

    def queue(
        self,
        name: str | None = None,
        *,
        maxsize: int | None = None,
        nbytes: int | str | None = None,
    ) -> ArenaQueue:
        """Return a queue of objects between processes: a new one, or the one of this name.

        Parameters
        ----------
        name : str, optional
            1 to 47 ASCII characters. The queue of this name is found, or made if there is none; any
            process that has the arena can find it, until `ArenaQueue.unlink` is called. Without a name,
            the queue is new: pass it to other processes as an argument.
        maxsize : int, optional
            How many messages may wait; 0 for any number. By default that of the queue which exists, or
            0.
        nbytes : int or str, optional
            How many bytes of short messages a new queue has room for, rounded up to a power of two.
            Default: 1 MiB, or an eighth of the arena if that is less.

        Returns
        -------
        ArenaQueue
            The queue.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong, or the queue exists with another `maxsize`.
        OutOfPages
            If the arena has no room for the queue.
        OutOfKeys
            If as many buffers are kept as the arena has keys.

        Examples
        --------
        >>> arena = Arena("4 MiB")
        >>> frames = arena.queue("frames", maxsize=64)
        >>> frames.put(arena.zeros(1000))
        >>> len(arena.queue("frames").get(timeout=1))
        1000
        """
        from pagebuddy.messages.queue import ArenaQueue

        return ArenaQueue(self, name, maxsize=maxsize, nbytes=nbytes)

    def topic(
        self, name: str, *, history: int | None = None, policy: str | None = None
    ) -> ArenaTopic:
        """Return the topic of this name: every subscriber gets every message that is published.

        Parameters
        ----------
        name : str
            1 to 47 ASCII characters. The topic of this name is found, or made if there is none; any
            process that has the arena can find it, until `ArenaTopic.unlink` is called.
        history : int, optional
            How many messages the topic has at most; a subscriber that is slower loses the oldest. By
            default that of the topic which exists, or 8.
        policy : {"drop", "block"}, optional
            What `ArenaTopic.publish` does with a message that is still needed when there are `history`:
            drop it, or wait until all subscribers have read it. By default that of the topic which
            exists, or "drop".

        Returns
        -------
        ArenaTopic
            The topic.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong, or the topic exists with another `history` or `policy`.
        OutOfPages
            If the arena has no room for the topic.
        OutOfKeys
            If as many buffers are kept as the arena has keys.

        Examples
        --------
        >>> arena = Arena("4 MiB")
        >>> with arena.topic("frames").subscribe() as frames:
        ...     arena.topic("frames").publish("hello")
        ...     next(frames)
        'hello'
        """
        from pagebuddy.messages.topic import ArenaTopic

        return ArenaTopic(self, name, history=history, policy=policy)

    def wait_for(self, key: str, timeout: float | None = None) -> None:
        """Wait until something has this name: a kept buffer, an object, a queue, or a topic.

        Parameters
        ----------
        key : str
            1 to 47 ASCII characters.
        timeout : float, optional
            Seconds to wait. By default waits as long as it takes.

        Raises
        ------
        TimeoutError
            If there is nothing of this name in time.
        TypeError, ValueError
            If this cannot be a key, or `timeout` is no time.

        Notes
        -----
        Sleeps, and is woken when a process keeps something. What is found may be gone again when this
        returns.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> arena.objects["features"] = [1, 2]
        >>> arena.wait_for("features", timeout=5)
        >>> arena.wait_for("labels", timeout=0.01)
        Traceback (most recent call last):
            ...
        TimeoutError: nothing is called 'labels' after 0.01 seconds; ...
        """
        from pagebuddy.messages.rendezvous import wait_for_key

        wait_for_key(self._open, failures.checked_key(key), timeout)

    # -- the arena as a whole --------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes that can be allocated in total."""
        return self._open.layout.data_bytes

    @property
    def page_size(self) -> int:
        """Bytes in a page."""
        return self._open.layout.page_size

    @property
    def n_pages(self) -> int:
        """Number of pages, free and used."""
        return self._open.layout.n_pages

    @property
    def closed(self) -> bool:
        """Whether this `Arena` object was closed."""
        return self._attachment is None

    def recover(self) -> None:
        """Rebuild all derived state from the records of live buffers, the holds, keys and handles.

        This happens automatically after a process was killed in the middle of an operation. Call it if
        `verify` found damage.

        Raises
        ------
        CorruptMetadata
            If a record itself is damaged.
        OutOfPages
            If a full file system has no room for the tables.

        Notes
        -----
        Walks through all that was ever used, with the arena locked.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> arena.recover()
        """
        a = self._whole
        a.perform(a.request(), OP_REPAIR)

    def reap(self, *, unclaimed_after: float | None = None) -> int:
        """Free the memory that dead processes held.

        This happens automatically when a process attaches, and when an allocation, a handle or a slot
        would not be available otherwise.

        Parameters
        ----------
        unclaimed_after : float, optional
            Also end the handles that were made at least this many seconds ago and were not claimed.
            Claiming one later raises `StaleHandle`. By default handles stay.

        Returns
        -------
        int
            Number of dead processes that were reaped.

        Raises
        ------
        TypeError, ValueError
            If `unclaimed_after` is not a number of seconds.

        Notes
        -----
        If a process had died, walks through the buffers with the arena locked.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> data = arena.dumps(memoryview(bytes(5000)))       # nobody will load it
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
        if listing.has_rings(a):
            from pagebuddy.messages.opening import end_what_the_dead_own

            end_what_the_dead_own(a)
        if age is not None:
            least_age_ms = math.ceil(age * 1000)
            a.perform(a.request(now_ms=clock_ms(), least_age_ms=least_age_ms), OP_REAP_TICKETS)
        return request.answer["n_ended"]

    def trim(self) -> int:
        """Return unused memory to the system.

        Free pages that were used before take no memory afterwards. When they are used again, they are
        zero. If the arena was made with `reserve`, they are no longer reserved.

        Returns
        -------
        int
            Bytes that were returned; 0 if the system cannot do it, or while this process shares its slot
            with others (`sticky` in `Arena.processes`): another process can trim then.

        Raises
        ------
        OSError
            If the system refuses it.
        ValueError
            If this process attached the arena with ``readonly=True``.

        Notes
        -----
        Takes a few microseconds a page, now and when the page is used again. Other processes can
        allocate meanwhile: an allocation that finds too few free pages waits for those that are just
        being returned.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> arena.full(100_000, 7.0).nbytes
        800000
        >>> arena.trim()
        802816
        """
        a = self._whole
        if a.is_readonly:
            raise ValueError(f"trim needs write access: {failures.READ_ONLY}")
        return trimming.trim(a)

    def record(self, path: str | os.PathLike[str]) -> ArenaRecording:
        """Record this process's allocations in the arena to a file, for `pagebuddy replay`.

        The file has a line for each event. An allocation means that this process begins to hold a
        buffer: it allocated the buffer, claimed a handle of it, or found it. A free means that the last
        object of the buffer in this process is gone, even if other processes still hold it. A resize is
        a free and an allocation. Buffers that are held already come first.

        Other processes are not recorded; each can record to its own file. A forked child does not
        continue the recording.

        Parameters
        ----------
        path : str or os.PathLike
            The file to write, a CSV. It is overwritten.

        Returns
        -------
        ArenaRecording
            A context manager. The recording ends with its ``stop()``, at the end of the ``with`` block,
            or when the interpreter exits. Until then the arena stays attached.

        Raises
        ------
        ValueError
            If the path is not a regular file, ends in ``.gz``, or is used by another recording, or if
            this process records the arena already.
        OSError
            If the file cannot be written.

        Notes
        -----
        Takes about 20 ns an event, and nothing while no recording runs. If the process is killed, all
        lines are complete, and at most the last 4 KiB of lines are missing.

        Examples
        --------
        >>> from tempfile import NamedTemporaryFile
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
        """Write an arena in a file to the disk, and wait until this is done.

        Afterwards, everything stored so far survives a power failure. Other arenas need no flush.

        Raises
        ------
        OSError
            If the system cannot store it.

        Notes
        -----
        Takes as long as the disk needs.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Arena.file(f"{folder}/store.pb", "1 MiB").flush()
        """
        self._whole.medium.flush()

    def fileno(self) -> int:
        """Return the arena's file descriptor, which `Arena.attach` accepts.

        Returns
        -------
        int
            A descriptor that belongs to the arena: do not close it.

        Raises
        ------
        ValueError
            If the arena has no descriptor, as one made by `over`.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> Arena.attach(arena.fileno()).size
        1048576
        """
        return self._open.medium.fileno()

    def unlink(self) -> bool:
        """Remove the arena's name or file. Attached processes keep working.

        The memory is freed when the last of them has detached.

        Returns
        -------
        bool
            True if the name was removed. False if the arena has no name, or if the name no longer exists
            or now belongs to another arena.

        Raises
        ------
        OSError
            If this process may not write to the folder.

        Examples
        --------
        >>> arena = Arena.create("doc-of-unlink", "1 MiB")
        >>> arena.unlink(), arena.unlink()
        (True, False)
        """
        return self._open.medium.unlink()

    def close(self) -> None:
        """Close this handle to the arena; existing buffers stay valid.

        Later calls on this object raise `ArenaClosed`. The process detaches when its last buffer, view
        and array of the arena is gone. The arena's name or file is not removed. A second call does
        nothing.

        Examples
        --------
        >>> arena = Arena("1 MiB")
        >>> buffer = arena.alloc(5)
        >>> arena.close()
        >>> buffer.view[:] = b"hello"
        """
        if self._attachment is not None:
            attaching.let_go(self._attachment)
        self._attachment = None
        self.__dict__.pop("alloc", None)
        if self._source is not None:
            # For those who saved the bound `alloc`.
            self._source.close()

    def __copy__(self) -> Self:
        """Return another `Arena` that uses the same attachment, as `attach` does."""
        return self._of(self._open)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return another `Arena` that uses the same attachment: the memory is not copied."""
        return self.__copy__()

    def __reduce__(self) -> Any:
        """Travel as a name or path; an anonymous arena as a descriptor, between running processes."""
        from pagebuddy.sharing.joining.passing import arena_found, descriptor_of

        return arena_found, (name_of(type(self)), *descriptor_of(self._open))

    def __enter__(self) -> Self:
        self._open  # noqa: B018
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._attachment is None:
            return "<Arena, closed>"
        kind = self._attachment.medium.KIND
        return f"<Arena of {in_bytes(self.size)} in pages of {in_bytes(self.page_size)}, {kind}>"


# The method for which `_begin` has a shortcut: a subclass that has its own is left alone.
_ALLOC = Arena.alloc
ENGINE.describe_alloc(_ALLOC.__doc__ or "")
