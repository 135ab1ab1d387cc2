"""The exceptions of this package. Each is also the built-in exception that a caller would catch.

    PageBuddyError
    ├── OutOfPages (MemoryError)          no free run of pages is large enough
    ├── BadFree (ValueError)              the page is not the start of a live span
    ├── StaleHandle (LookupError)         the handle's buffer is gone, or the handle is damaged
    ├── CorruptMetadata (RuntimeError)    stored data are damaged
    ├── OutOfSlots (RuntimeError)         no room for another process
    │   └── OutOfKeys                     no room for another kept buffer
    ├── OutOfTickets (RuntimeError)       no room for another unclaimed handle
    ├── ArenaExists (FileExistsError)     the name is taken
    ├── ArenaNotFound (FileNotFoundError) no arena has that name
    └── ArenaClosed (ValueError)          the arena object was closed

    ArenaSizeWarning (UserWarning)        the file system is smaller than the new arena

A wrong type raises a plain `TypeError`, a wrong value a plain `ValueError`. A call that raises any of
these has changed nothing.
"""

from __future__ import annotations

from pagebuddy.arguments import numeral


class PageBuddyError(Exception):
    """Base class of the exceptions of this package.

    Notes
    -----
    Each can be pickled, and keeps its attributes.

    Examples
    --------
    >>> from pagebuddy import BuddyAllocator
    >>> try:
    ...     BuddyAllocator(64).alloc(100)
    ... except PageBuddyError as error:
    ...     print(type(error).__name__)
    OutOfPages
    """


class OutOfPages(PageBuddyError, MemoryError):
    """Raised if no free run of pages is large enough. It is also a `MemoryError`.

    Parameters
    ----------
    requested : int
        Pages that the call requested.
    free : int
        Free pages in all.
    largest_free : int
        Pages of the longest free run.
    page_size : int, optional
        Bytes in a page. Without it, the message gives pages only.
    where : str, optional
        Where the pages had to be, for the message: ``"below page 256"``.
    reason : str, optional
        What is full and what to do, for the message. By default the message gives the free pages.
    unclaimed : int, optional
        How many handles of the arena are not claimed.
    unclaimed_bytes : int, optional
        Bytes that these handles keep.
    unclaimed_age : float, optional
        How long ago the oldest of them was sent, in seconds.
    in_messages : int, optional
        How many buffers messages in queues and topics keep.
    in_messages_bytes : int, optional
        Bytes of these buffers.

    Attributes
    ----------
    requested : int
        Pages that the call requested.
    free : int
        Free pages in all. If the request was limited to a window of pages, those of the window.
    largest_free : int
        Pages of the longest free run, in the same window. A request for up to that many pages, without
        an alignment, would have succeeded.
    page_size : int or None
        Bytes in a page; None if pages have no size.
    where : str
        Where the pages had to be; empty if they could be anywhere.
    reason : str
        What is full, if it is not the arena: a file system, with its size and what to do. Else empty.
    unclaimed : int
        How many handles of the arena are not claimed; 0 if there is no arena.
    unclaimed_bytes : int
        Bytes that these handles keep.
    unclaimed_age : float
        How long ago the oldest of them was sent, in seconds.
    in_messages : int
        How many buffers messages in queues and topics keep; 0 if there is no arena.
    in_messages_bytes : int
        Bytes of these buffers.

    Examples
    --------
    >>> from pagebuddy import BuddyAllocator
    >>> buddy = BuddyAllocator(64)
    >>> try:
    ...     buddy.alloc(100)
    ... except MemoryError as error:
    ...     print(error.requested, error.free, error.largest_free)
    100 64 64
    """

    def __init__(
        self,
        requested: int,
        free: int,
        largest_free: int,
        page_size: int | None = None,
        where: str = "",
        reason: str = "",
        unclaimed: int = 0,
        unclaimed_bytes: int = 0,
        unclaimed_age: float = 0.0,
        in_messages: int = 0,
        in_messages_bytes: int = 0,
    ) -> None:
        self.requested = requested
        self.free = free
        self.largest_free = largest_free
        self.page_size = page_size
        self.where = where
        self.reason = reason
        self.unclaimed = unclaimed
        self.unclaimed_bytes = unclaimed_bytes
        self.unclaimed_age = unclaimed_age
        self.in_messages = in_messages
        self.in_messages_bytes = in_messages_bytes
        told: tuple[float, ...] = ()
        if unclaimed or in_messages:
            told = unclaimed, unclaimed_bytes, unclaimed_age, in_messages, in_messages_bytes
        super().__init__(requested, free, largest_free, page_size, where, reason, *told)

    def __str__(self) -> str:
        asked, free, largest = map(self._amount, (self.requested, self.free, self.largest_free))
        where = f" {self.where}" if self.where else ""
        if self.reason:
            return f"no room for {asked}{where}: {self.reason}"
        if self.largest_free >= self.requested:
            advice = "relax the alignment or the window"
        elif self.free >= self.requested:
            advice = "ask for less at once, or free the pages between the free runs"
        else:
            advice = "free something first, or ask for less"
        if self.unclaimed:
            handles = "1 handle" if self.unclaimed == 1 else f"{self.unclaimed} handles"
            advice += (
                f". {handles} that nobody claimed keep {self.unclaimed_bytes} bytes, the oldest for "
                f"{self.unclaimed_age:.0f} s; claim them, send with expires=, or end them with "
                "reap(unclaimed_after=seconds)"
            )
        if self.in_messages:
            buffers = "1 buffer" if self.in_messages == 1 else f"{self.in_messages} buffers"
            advice += (
                f". {buffers} of messages in queues and topics keep {self.in_messages_bytes} bytes; "
                "receive some"
            )
        return f"no room for {asked}{where}: {free} free, longest free run {largest}; {advice}"

    def _amount(self, n_pages: int) -> str:
        pages = f"{numeral(n_pages)} {'page' if n_pages == 1 else 'pages'}"
        if self.page_size is None:
            return pages
        return f"{pages} ({numeral(n_pages * self.page_size)} bytes)"


class BadFree(PageBuddyError, ValueError):
    """Raised if a page is not the first page of the live span that the caller means.

    It is also a `ValueError`.

    Parameters
    ----------
    page : int
        The page that the caller gave.
    reason : str
        One of the words below.
    message : str
        The text of the error.
    expected, found : int, optional
        The size or the generation that the caller expected, and that of the span.

    Attributes
    ----------
    page : int
        The page that the caller gave.
    reason : str
        ``"outside"``: not a page of this allocator. ``"free"``: not allocated, perhaps freed twice.
        ``"interior"``: inside a live span, but not its first page. ``"size"`` or ``"generation"``: a
        live span, but with another number of pages, or of another generation, than the caller expected.
    message : str
        The text of the error.
    expected : int or None
        The size in pages, or the generation, that the caller expected.
    found : int or None
        The size in pages, or the generation, of the live span.

    Examples
    --------
    >>> from pagebuddy import BuddyAllocator
    >>> buddy = BuddyAllocator(64)
    >>> page = buddy.alloc(5)
    >>> try:
    ...     buddy.free(page + 1)
    ... except ValueError as error:
    ...     print(error.page, error.reason)
    1 interior
    """

    def __init__(
        self,
        page: int,
        reason: str,
        message: str,
        expected: int | None = None,
        found: int | None = None,
    ) -> None:
        self.page = page
        self.reason = reason
        self.message = message
        self.expected = expected
        self.found = found
        super().__init__(page, reason, message, expected, found)

    def __str__(self) -> str:
        return self.message


class StaleHandle(PageBuddyError, LookupError):
    """Raised if a handle cannot be received. It is also a `LookupError`.

    The handle was received before, its buffer or its arena is gone, or its bytes are damaged.

    Examples
    --------
    >>> from pagebuddy import Arena
    >>> arena = Arena("1 MiB")
    >>> handle = arena.dumps(arena.alloc(5000))
    >>> buffer = arena.loads(handle)
    >>> try:
    ...     arena.loads(handle)
    ... except StaleHandle:
    ...     print("received before")
    received before
    """


class CorruptMetadata(PageBuddyError, RuntimeError):
    """Raised if stored data break an invariant. It is also a `RuntimeError`.

    Parameters
    ----------
    invariant : str
        The invariant that does not hold, as a sentence without its full stop.
    detail : str, optional
        What was found instead, or where.
    page : int, optional
        The page where it was found.
    advice : str, optional
        What the caller can do.

    Attributes
    ----------
    invariant : str
        The invariant that does not hold.
    detail : str
        What was found instead, or where; empty if there is nothing to add.
    page : int or None
        The page where it was found, if it concerns a page.
    advice : str
        What the caller can do.

    Examples
    --------
    >>> from pagebuddy import BuddyAllocator
    >>> try:
    ...     BuddyAllocator.attach(bytearray(4096))
    ... except CorruptMetadata as error:
    ...     print(error.invariant)
    metadata starts with the mark of pagebuddy
    """

    def __init__(
        self,
        invariant: str,
        detail: str = "",
        page: int | None = None,
        advice: str = "recover() rebuilds all but the records of live spans",
    ) -> None:
        self.invariant = invariant
        self.detail = detail
        self.page = page
        self.advice = advice
        super().__init__(invariant, detail, page, advice)

    def __str__(self) -> str:
        text = f'metadata is corrupt: the invariant "{self.invariant}" does not hold'
        if self.detail:
            text += f" ({self.detail})"
        return f"{text}; {self.advice}"


class OutOfSlots(PageBuddyError, RuntimeError):
    """Raised if an arena has no room for another process, or (`OutOfKeys`) for another kept buffer.

    It is also a `RuntimeError`. A new arena's option `slots` sets how many processes can be attached.
    """


class OutOfKeys(OutOfSlots):
    """Raised if an arena has no room for another kept buffer. It is also an `OutOfSlots`.

    A new arena's option `keys` sets how many buffers can be kept. In a full arena, a buffer can still be
    kept in place of another, with ``keep(key, replace=True)``.

    Parameters
    ----------
    keys : int
        How many buffers can be kept.

    Attributes
    ----------
    keys : int
        How many buffers can be kept, with or without a key; so many are.

    Examples
    --------
    >>> from pagebuddy import Arena
    >>> arena = Arena("1 MiB", keys=1)
    >>> arena.alloc(5, keep="first").release()
    >>> try:
    ...     arena.alloc(5, keep="second")
    ... except OutOfKeys as error:
    ...     print(error.keys)
    1
    """

    def __init__(self, keys: int) -> None:
        self.keys = keys
        super().__init__(keys)

    def __str__(self) -> str:
        return (
            f"the arena has room for {self.keys:,} kept buffers, and all of it is used; unkeep() some, "
            "replace one with keep(key, replace=True), or create the arena with a larger keys=, at most "
            "2**20"
        )


class OutOfTickets(PageBuddyError, RuntimeError):
    """Raised if an arena, or a buffer, has no room for another unclaimed handle.

    It is also a `RuntimeError`. `Arena.reap` with `unclaimed_after` ends the handles that wait too long.
    """


class ArenaExists(PageBuddyError, FileExistsError):
    """Raised if an arena cannot be created because its name is taken.

    It is also a `FileExistsError`.
    """


class ArenaNotFound(PageBuddyError, FileNotFoundError):
    """Raised if no arena has the given name. It is also a `FileNotFoundError`."""


class ArenaClosed(PageBuddyError, ValueError):
    """Raised if an arena object is used after `close`. It is also a `ValueError`.

    Examples
    --------
    >>> from pagebuddy import Arena
    >>> arena = Arena("1 MiB")
    >>> arena.close()
    >>> try:
    ...     arena.alloc(5000)
    ... except ArenaClosed:
    ...     print("closed")
    closed
    """


class ArenaSizeWarning(UserWarning):
    """Shown if a new arena is larger than the whole file system that it lies in.

    It is also a `UserWarning`, because Python does not show a `ResourceWarning` by default. It is shown
    once for each place in a program. The arena works until the file system is full; then calls raise
    `OutOfPages`.
    """
