"""Arena: an allocator with memory behind it, for one process or for many."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from mmap import mmap
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex

from pagebuddy.arena.arrays import ArenaArrays
from pagebuddy.arena.exchange import ArenaExchange
from pagebuddy.arena.view import ArenaUpkeep
from pagebuddy.arguments import whole
from pagebuddy.engine import ENGINE
from pagebuddy.errors import ArenaClosed, ArenaExists, ArenaNotFound
from pagebuddy.memory.given import Given
from pagebuddy.memory.options import Options
from pagebuddy.memory.sizes import bytes_of
from pagebuddy.pickled import name_of
from pagebuddy.sharing.joining import attaching, failures, listing
from pagebuddy.sharing.layout import Layout

if TYPE_CHECKING:
    from typing import Self

    from pagebuddy.buffers.buffer import Buffer
    from pagebuddy.sharing.attached import Engine


class Arena(ArenaArrays, ArenaExchange, ArenaUpkeep):
    """Memory that processes share as threads share theirs: any allocates, any frees.

    Buffers and arrays end when nothing refers to them any more, in any process; a process that is killed
    at any instruction breaks and leaks nothing. `Arena(size)` is anonymous: passed on by descriptor, and
    gone with its last process. The others are made by `create`, `attach`, `open`, `file` and `over`.
    Threads may share an arena; so may processes, of which each attaches for itself.

    size        bytes that can be allocated, or text such as "2 GiB"; rounded up to pages. An arena does
                not grow; pages that are not used cost nothing
    page_size   bytes, a power of two from 64 on
    max_order   the largest block has 2^max_order pages; longer buffers are found across blocks
    slots       how many processes there can be, and one more: 48, 112, 176 and so on
    lock        "mutex", or "file" for processes of several containers, or without a compiled engine
    reserve     back every page now: `OutOfPages` here, instead of SIGBUS where you touch one
    populate    map every page now
    huge        large pages: "transparent", or a size such as "2 MiB"

    Raises TypeError, ValueError and `OutOfPages`. Cost: under 2 ms, whatever the size.

    >>> arena = Arena("64 MiB")
    >>> buffer = arena.alloc(1_000_000)
    >>> buffer.view[:5] = b"hello"
    >>> del buffer                          # its pages are free again
    >>> arena.stats().used
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
    ) -> None:
        options = Options(reserve, populate, huge)
        if sys.platform != "linux":
            self._begin(_private(self._engine, size, page_size, max_order, options))
            return
        from pagebuddy.memory.anonymous import Anonymous

        layout = self._layout(size, page_size, max_order, slots, lock)
        medium = Anonymous.make(layout.n_bytes, options)
        self._begin(attaching.make(self._engine, layout, medium))

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
    ) -> Self:
        """Make an arena with a name, `/dev/shm/NAME`, for others to attach to.

        It stays until `unlink` or the machine's end. Names are of 1 to 100 letters, digits, '.', '-' and
        '_'. mode is the file's, 0600 by default. Raises `ArenaExists`, and what `Arena` raises.
        """
        from pagebuddy.memory.named import Named

        options = Options(reserve, populate, huge, mode)
        layout = cls._layout(size, page_size, max_order, slots, lock)
        medium = Named.make(name, layout.n_bytes, options)
        return cls._of(attaching.make(cls._engine, layout, medium))

    @classmethod
    def attach(cls, arena: str | SupportsIndex) -> Self:
        """Attach to an arena by its name, or by a descriptor of it, which stays the caller's.

        A process that is attached already gets one more object for the same. Raises `ArenaNotFound`,
        `OutOfSlots`, `CorruptMetadata` for what is no sound arena, ValueError for what must not be
        trusted or cannot be shared with this process. Cost: under 2 ms, whatever the size.

        >>> arena = Arena("1 MiB")
        >>> Arena.attach(arena.fileno()).size
        1048576
        """
        if isinstance(arena, str):
            from pagebuddy.memory.named import Named

            return cls._of(attaching.attach(cls._engine, Named.open(arena)))
        from pagebuddy.memory.anonymous import Anonymous

        if not hasattr(arena, "__index__"):
            raise TypeError(f"arena is {arena!r}; it must be a name or an open descriptor")
        return cls._of(attaching.attach(cls._engine, Anonymous.attach(index(arena))))

    @classmethod
    def open(cls, name: str, size: int | str, **options: Any) -> Self:
        """Attach to the arena of that name, or create it: options are those of `create`.

        An arena that is there already must have that size; ValueError names both. Options count where
        it is made. Raises what `create` and `attach` raise, but not that it exists or does not.

        >>> arena = Arena.open("doc-of-open", "1 MiB")
        >>> Arena.open("doc-of-open", "1 MiB").unlink()
        True
        """
        _check_names(options)
        while True:
            try:
                return cls.attach(name)._sized(size, name)
            except ArenaNotFound:
                pass
            try:
                return cls.create(name, size, **options)
            except ArenaExists:
                # Another was quicker; if it was a stranger's file, attaching says so.
                continue

    @classmethod
    def file(
        cls,
        path: str | os.PathLike[str],
        size: int | str | None = None,
        **options: Any,
    ) -> Self:
        """Open the arena in a file, or make it: options are those of `create`, without `huge`, and count
        where it is made.

        Every kept buffer is found again, after a restart of the machine too; what was not flushed may be
        lost by a power cut, which is detected. Without a size the file must be there; one of another
        size is ValueError. Raises `ArenaNotFound`, OSError where the folder is missing or closed to this
        process, and what `create` and `attach` raise.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Arena.file(f"{folder}/store.pb", "1 MiB").keys()
        []
        """
        from pagebuddy.memory.file import File

        _check_names(options)
        asked = Options(**{key: options.pop(key) for key in _MEDIUM_OPTIONS if key in options})
        layout = None if size is None else cls._layout(size, **options)
        while True:
            try:
                found = cls._of(attaching.attach(cls._engine, File.open(path)))
                return found if size is None else found._sized(size, os.fspath(path))
            except ArenaNotFound:
                if layout is None:
                    raise
            with suppress(ArenaExists):
                medium = File.make(path, layout.n_bytes, asked)
                return cls._of(attaching.make(cls._engine, layout, medium))

    @classmethod
    def over(
        cls,
        memory: Any,
        *,
        page_size: SupportsIndex = 4096,
        max_order: SupportsIndex | None = None,
    ) -> Self:
        """Make an arena in memory of the caller's, for this process alone: any writable buffer.

        Its tables are carved from the memory, which the arena and its views keep alive. A forked child
        may read what was held at the fork, no more; if it sees the memory itself, not a copy, that stays
        held as long as the arena lasts. Raises TypeError for what is no buffer, ValueError for one that
        is read-only, or too small for a page.
        """
        return cls._of(attaching.over(cls._engine, memory, page_size, max_order))

    @classmethod
    def _layout(
        cls,
        size: object,
        page_size: object = 4096,
        max_order: object = None,
        slots: object = 48,
        lock: object = None,
    ) -> Layout:
        return Layout.of(
            bytes_of(size),
            page_size=page_size,
            max_order=max_order,
            slots=slots,
            lock=attaching.lock_word(cls._engine, lock),
        )

    @classmethod
    def _of(cls, attachment: Any) -> Self:
        self = cls.__new__(cls)
        self._begin(attachment)
        return self

    def _begin(self, attachment: Any) -> None:
        self._attachment: Any = attachment
        # Found before the method of that name: one call of C, and no more.
        self.__dict__["alloc"] = attachment.alloc

    def _sized(self, size: object, name: str) -> Self:
        """This arena, if it has the size that is asked for."""
        wanted, there = bytes_of(size), self.size
        if -(-wanted // self.page_size) * self.page_size != there:
            self.close()
            raise ValueError(
                f"{name} is an arena of {there} bytes, not of {wanted}; ask for its own size, or "
                "use another name"
            )
        return self

    @property
    def _open(self) -> Any:
        if self._attachment is None:
            raise ArenaClosed("this arena object was closed; attach again, or make another")
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
        """Return a new buffer of at least so many bytes.

        align    bytes, a power of two: `offset` shall be a multiple of it
        zero     let its bytes be zero; else they are what was there before
        keep     True or a key, as for `Buffer.keep`
        timeout  seconds to wait for the lock, whose owner may have been stopped

        Raises `OutOfPages` where nothing free would do, after the dead have been reaped, or where a full
        file system has no room for it, which is the error's cause; and TimeoutError. Cost: about 0.1 µs
        with its end.

        >>> Arena("1 MiB").alloc(100, align=65536, zero=True)
        <Buffer of 100 bytes at offset 0>
        """
        return self._open.alloc(  # type: ignore[no-any-return]
            nbytes, align=align, zero=zero, keep=keep, timeout=timeout
        )

    def buffer_at(self, offset: SupportsIndex) -> Buffer:
        """Return a buffer for the live one that starts at an offset, whoever allocated it.

        offset is in bytes. Its `nbytes` are whole pages, unless the buffer is kept. Raises `BadFree`
        where none starts there, ValueError for no multiple of the page size.
        """
        a = self._open
        at = whole(offset, "offset", most=self.size - 1)
        if at % a.layout.page_size:
            raise ValueError(
                f"offset is {at}; a buffer starts at a multiple of {a.layout.page_size}"
            )
        return a.joined(at)  # type: ignore[no-any-return]

    def __getitem__(self, key: str) -> Buffer:
        """Return a buffer for the one that is kept under a key. Raises KeyError.

        >>> arena = Arena("1 MiB")
        >>> arena.alloc(5, keep="note").release()
        >>> arena["note"].nbytes, "note" in arena, arena.keys()
        (5, True, ['note'])
        """
        return self._open.found(failures.checked_key(key))  # type: ignore[no-any-return]

    def __contains__(self, key: str) -> bool:
        """Whether a buffer is kept under a key."""
        try:
            self[key]
        except KeyError:
            return False
        return True

    def keys(self) -> list[str]:
        """Return the keys of kept buffers, in alphabetical order. Cost: a walk through the directory."""
        return listing.keys_of(self._whole)

    # -- the arena as a whole --------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes that can be allocated in all."""
        return self._open.layout.data_bytes  # type: ignore[no-any-return]

    @property
    def page_size(self) -> int:
        """Bytes in a page."""
        return self._open.layout.page_size  # type: ignore[no-any-return]

    @property
    def n_pages(self) -> int:
        """How many pages there are, free and used."""
        return self._open.layout.n_pages  # type: ignore[no-any-return]

    @property
    def closed(self) -> bool:
        """Whether this object was closed."""
        return self._attachment is None

    def fileno(self) -> int:
        """Return the arena's own descriptor: `Arena.attach` takes it. ValueError where there is none."""
        return self._open.medium.fileno()  # type: ignore[no-any-return]

    def unlink(self) -> bool:
        """Remove the arena's name, if it still is this arena's; return whether it was.

        Whoever is attached goes on with it, and it ends with the last of them. Raises OSError where the
        folder may not be written.
        """
        return self._open.medium.unlink()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Refuse further use of this object. What was allocated stays as it is.

        The memory is let go of when the last buffer, view and array of it is gone. Nothing is unlinked.
        """
        if self._attachment is not None:
            attaching.let_go(self._attachment)
        self._attachment = None
        self.__dict__.pop("alloc", None)

    def __reduce__(self) -> Any:
        """Travel as a name or a path; an anonymous arena by descriptor, between processes that run."""
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
        return f"<Arena of {self.size} bytes in pages of {self.page_size}, {kind}>"


_MEDIUM_OPTIONS = ("reserve", "populate", "huge", "mode")
_OPTIONS = ("page_size", "max_order", "slots", "lock", *_MEDIUM_OPTIONS)


def _check_names(options: dict[str, Any]) -> None:
    """Refuse what is no option, also where an arena is there that was made already."""
    for name in options:
        if name not in _OPTIONS:
            raise TypeError(f"{name} is no option of an arena; there are {', '.join(_OPTIONS)}")


def _private(
    engine: Engine, size: object, page_size: object, max_order: object, options: Options
) -> Any:
    """An anonymous arena of one process, where memory cannot be passed on by descriptor."""
    layout = Layout.of(bytes_of(size), page_size=page_size, max_order=max_order)
    return attaching.make(engine, layout, Given(mmap(-1, layout.n_bytes), options))
