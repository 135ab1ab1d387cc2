"""Buffer: one allocation with its bytes."""

import os
import sys
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pagebuddy.core import stand_in as cython
from pagebuddy.memory import sizes
from pagebuddy.sharing.joining import backing, failures

if not cython.compiled:
    from pagebuddy.buffers.arrays import array_over, checked_dtype, sides_and_bytes
    from pagebuddy.buffers.pages import bytes_of_pages, node_of_pages, pages_over, tell_asked
    from pagebuddy.core.words import FIRST_NODE, pages_in, u64
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.state import ArenaState
    from pagebuddy.sharing.system.process import wall_clock
    from pagebuddy.sharing.words import NO_PAGES, OP_KEEP, OP_RESIZE, OP_UNKEEP

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import SupportsIndex

    from numpy.typing import DTypeLike, NDArray

_B = TypeVar("_B", bound="Buffer")


@cython.no_gc
@cython.freelist(256)
@cython.final
@cython.cclass
class Buffer:
    """One allocation in an arena, with its bytes.

    `Arena.alloc` makes buffers. The pages are freed when nothing refers to them any more: no `Buffer`
    object, no view and no array of it, in any process.

    Notes
    -----
    A buffer has the buffer protocol: pass it to `memoryview`, `numpy.frombuffer`, `pyarrow.py_buffer` or
    `torch.frombuffer`. The objects that they return keep the pages allocated. It is a context manager,
    which calls `release` at the end. ``len(buffer)`` is `nbytes`. `copy.copy` returns another object for
    the same pages, and `copy.deepcopy` a new buffer with the same bytes. Pickling sends a handle, which
    can be unpickled once.

    Examples
    --------
    >>> from pagebuddy import Arena
    >>> arena = Arena("1 MiB")
    >>> buffer = arena.alloc(10_000)
    >>> buffer.nbytes, buffer.capacity, buffer.offset
    (10000, 12288, 0)
    >>> buffer.view[:5] = b"hello"
    >>> bytes(buffer.view[:5])
    b'hello'
    """

    # Another thread may release or resize a buffer whenever Python code runs: in a finalizer, in an
    # argument's `__index__`, while a lock is waited for. So a method converts its arguments, then takes
    # the pages by `_taken`, and uses these alone. A reference to them is the right to use their node:
    # the buffer is not freed while it exists, and is not made shorter.

    __weakref__: object

    attachment: ArenaState  # set once
    start: u64  # the number of the first page, set once; of no use without the pages
    # The BufferHold, or uncompiled a ctypes array, which exports the bytes. None once released.
    pages: Any
    n_pages: u64
    n_bytes: u64
    # Whether the buffer protocol was used: the consumer may keep only this object alive.
    served: cython.bint
    released: cython.bint
    # The process in which a thread is in `resize`, or 0; whether that may give pages back, so that the
    # pages cannot be taken. A fork copies both.
    resizing: u64
    shrinking: cython.bint
    # How often it was resized.
    changes: u64

    def __init__(self) -> None:
        raise TypeError("a Buffer is made by an arena: call arena.alloc(nbytes)")

    if not cython.compiled:

        def __init_subclass__(cls) -> None:
            raise TypeError("a Buffer has no subclasses; keep one in an attribute")

        def __new__(cls) -> Any:
            raise TypeError("a Buffer is made by an arena: call arena.alloc(nbytes)")

        if TYPE_CHECKING:
            # Compiled it has the buffer protocol; this tells type checkers so.
            def __buffer__(self, flags: int, /) -> memoryview: ...

    if cython.compiled:

        def __getbuffer__(self, view: cython.pointer(Py_buffer), flags: cython.int) -> None:  # type: ignore  # noqa: F821
            pages, n_bytes = self._taken()
            self.served = True
            if self.pages is not pages:
                # Released just then, before it was served.
                self._taken()
            address = address_of_node(self.attachment, FIRST_NODE + self.start)  # type: ignore  # noqa: F821
            fill_buffer(self.attachment, view, pages, address, n_bytes, flags)  # type: ignore  # noqa: F821

    @property
    def nbytes(self) -> int:
        """Size in bytes, as asked for."""
        return self.n_bytes

    @property
    def capacity(self) -> int:
        """Size of its pages in bytes."""
        return self.n_pages << self.attachment.page_bits

    @property
    def offset(self) -> int:
        """Where the buffer starts in the arena, in bytes; the same in every process."""
        return self.start << self.attachment.page_bits

    @property
    def view(self) -> memoryview:
        """The bytes, as a memoryview. The view keeps the pages allocated.

        It is writable, unless this process attached the arena with ``readonly=True``.

        Raises
        ------
        ValueError
            If the buffer was released.
        """
        pages, n_bytes = self._taken()
        return exported(pages, n_bytes)

    @property
    def kept(self) -> bool:
        """Whether the buffer is kept, and so outlives the processes that hold it."""
        pages, _ = self._taken()
        return bool(self._allocator.is_kept(node_of_pages(self.attachment, pages)))

    def array(
        self,
        shape: "SupportsIndex | Sequence[SupportsIndex] | None" = None,
        dtype: "DTypeLike" = "u1",
        order: 'Literal["C", "F"]' = "C",
    ) -> "NDArray[Any]":
        """Return the bytes as a numpy array. The array keeps the pages allocated.

        Parameters
        ----------
        shape : int or sequence of int, optional
            Items in each dimension. By default one dimension with as many items as fit.
        dtype : numpy dtype, optional
            Type of the items; must not contain Python objects. Default: ``"u1"``, bytes.
        order : {"C", "F"}, optional
            Order of the items in memory. Default: ``"C"``.

        Returns
        -------
        numpy.ndarray
            A view of the buffer, not a copy.

        Raises
        ------
        ValueError
            If the array would need more than `nbytes` bytes, or the buffer was released.
        TypeError
            If the dtype contains Python objects.
        ImportError
            If numpy is not installed.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> Arena("1 MiB").alloc(24).array((2, 3), "i4").shape
        (2, 3)
        """
        kind = checked_dtype(dtype)
        checked = None if shape is None else sides_and_bytes(shape, kind)
        pages, n_bytes = self._taken()
        if not cython.compiled and self.attachment.readonly:
            pages = exported(pages, bytes_of_pages(pages))
        return array_over(pages, n_bytes, shape, checked, kind, order)  # type: ignore[no-any-return]

    def resize(self, nbytes: "int | str", /) -> bool:
        """Change the size of the buffer, in place.

        A buffer grows into the free pages behind it. It can give pages back only if nothing else can see
        them: no other process, handle, view or array, and no object that used its buffer protocol.

        Parameters
        ----------
        nbytes : int or str
            The new size in bytes, or text such as ``"2 MiB"``.

        Returns
        -------
        bool
            False if the pages behind the buffer are not free; then nothing has changed.

        Raises
        ------
        BufferError
            If something else may see the pages that would be given back, or another thread is resizing
            the buffer.
        ValueError
            If the buffer was released.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> buffer = Arena("1 MiB").alloc(5000)
        >>> buffer.resize(100_000), buffer.resize("2 MiB"), buffer.nbytes
        (True, False, 100000)
        """
        n_bytes = sizes.bytes_of(nbytes, "nbytes")
        n = -(-n_bytes // self._allocator.layout.page_size)
        self._begin_resizing()
        try:
            return self._resized(n, n_bytes)
        finally:
            self._end_resizing()

    def keep(self, key: "bool | str" = True, *, replace: bool = False, flush: bool = True) -> None:
        """Keep the buffer, so that it outlives the processes that hold it.

        A buffer that is kept already gets the new key instead of its old one, and the size of this
        object.

        Parameters
        ----------
        key : str or True, optional
            1 to 47 ASCII characters. ``arena[key]`` finds the buffer, in any process. Default: True, to
            keep the buffer without a key.
        replace : bool, optional
            If another buffer has the key, take the key from it in one atomic step; that buffer is no
            longer kept. Default: False.
        flush : bool, optional
            If the arena is in a file, flush the file before and after, so that the buffer survives a
            power failure. Default: True.

        Raises
        ------
        ValueError
            If the key is taken or cannot be a key, or the buffer was released.
        TypeError
            If `key` is neither text nor True.
        OutOfKeys
            If as many buffers are kept as the arena has keys. Keeping in place of another buffer, or
            under another key, still works.

        Notes
        -----
        Takes as long as two flushes for a file, otherwise about as long as a call.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> arena.alloc(5).keep("note")
        >>> arena["note"].nbytes
        5
        """
        text, is_replacing, is_flushed = failures.key_to_keep(key), bool(replace), bool(flush)
        a = self._allocator
        # Kept to the end, also if another thread releases the buffer during a flush.
        pages, n_bytes = self._taken()
        node: u64 = node_of_pages(self.attachment, pages)
        if is_flushed:
            a.medium.flush()
        request: Request = Request(node, n_bytes=n_bytes, key=text, replace=is_replacing)
        request.now_ms = wall_clock()
        a.perform(request, OP_KEEP)
        if is_flushed:
            a.medium.flush()

    def unkeep(self) -> None:
        """Stop keeping the buffer: it is freed when nothing refers to it any more.

        Does nothing if the buffer is not kept.

        Raises
        ------
        ValueError
            If the buffer was released.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> arena.alloc(5, keep="note").unkeep()
        >>> "note" in arena
        False
        """
        pages, _ = self._taken()
        self._allocator.perform(Request(node_of_pages(self.attachment, pages)), OP_UNKEEP)

    def release(self) -> None:
        """Release the buffer now, and not when this object is deleted. Views and arrays stay valid.

        The pages are freed when the last view and array is gone. If the buffer protocol of this object
        was used, they are freed when this object is gone too. A second call does nothing.

        Examples
        --------
        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> with arena.alloc(5000) as buffer:
        ...     view = buffer.view              # and `release` at the end
        >>> arena.stats().used
        2
        >>> del view
        >>> arena.stats().used
        0
        """
        self.released = True
        # Ended when this returns, and not by the assignment: other threads may run when they end.
        pages = None
        if not self.served:
            pages = self.pages
            self.pages = None
        del pages

    def __len__(self) -> int:
        return self.n_bytes

    def __enter__(self: _B) -> _B:
        self._taken()
        return self

    def __exit__(self, *failure: object) -> None:
        self.release()

    def __copy__(self: _B) -> _B:
        """Return another object for the same pages."""
        pages, n_bytes = self._taken()
        n: u64 = bytes_of_pages(pages) >> self.attachment.page_bits
        node: u64 = node_of_pages(self.attachment, pages)
        return made_buffer(self.attachment, pages, node, n, n_bytes)  # type: ignore[return-value]

    def __deepcopy__(self: _B, memo: object) -> _B:
        """Return a new buffer with a copy of the bytes."""
        a = self._allocator
        pages, n_bytes = self._taken()
        # Reading a page that was never used may need room too.
        backing.back_bytes(a, self.offset, n_bytes)
        copy = backing.room_for(a, n_bytes)
        copy.view[:] = exported(pages, n_bytes)
        return copy  # type: ignore[return-value]

    def handle(self, *, receivers: Any = 1, expires: Any = None) -> Any:
        """Return the pickle of this buffer for several receivers, or for a limited time.

        A process that unpickles it gets a `Buffer` with the same pages. ``pickle.dumps(buffer)`` does
        the same for one receiver, without a limit.

        Parameters
        ----------
        receivers : int, optional
            How many times it can be claimed, from 1 to 2**32 - 1; None for any number until it expires.
            Default: 1.
        expires : float, optional
            Seconds after which it cannot be claimed any more, and the arena no longer keeps the buffer
            for it. By default it does not expire, and `receivers` must be a number.

        Returns
        -------
        bytes
            To be given to `pickle.loads`, in any process.

        Raises
        ------
        ValueError
            If `receivers` is None without `expires`; if `receivers` is less than 1 or too large, or
            `expires` not more than 0, infinite or NaN; or if the buffer was released.
        TypeError
            If an argument has a wrong type.
        OutOfTickets
            If there are as many unclaimed handles as the arena has room for.

        Notes
        -----
        Takes some microseconds. Receivers count when they unpickle it; one that dies before does not
        count.

        Examples
        --------
        >>> import pagebuddy, pickle
        >>> arena = pagebuddy.Arena("1 MiB")
        >>> handle = arena.alloc(5).handle(receivers=2, expires=60)
        >>> pickle.loads(handle).nbytes, pickle.loads(handle).nbytes
        (5, 5)
        """
        from pagebuddy.sharing.joining.sending import pickled, send, terms

        a = self._allocator
        n_claims, life_ms = terms(receivers, expires, a.layout.life_ms)
        pages, n_bytes = self._taken()
        node = node_of_pages(self.attachment, pages)
        return pickled(send(a, node, n_bytes, n_claims=n_claims, life_ms=life_ms))

    def __reduce__(self) -> Any:
        """Travel as a handle: the process that unpickles it, once, holds the same pages."""
        from pagebuddy.sharing.joining.sending import claim, send

        a = self._allocator
        pages, n_bytes = self._taken()
        handle = send(a, node_of_pages(self.attachment, pages), n_bytes)
        return claim, (handle,)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """`__reduce__`; as text for old protocols, which have no compact form for bytes."""
        if protocol > 2:
            return self.__reduce__()
        from pagebuddy.sharing.joining.handle import as_text

        function, (handle,) = self.__reduce__()
        return function, (as_text(handle),)

    def __repr__(self) -> str:
        if self.released:
            return "<Buffer, released>"
        return f"<Buffer of {self.n_bytes} bytes at offset {self.offset}>"

    @property
    def _allocator(self) -> Any:
        """The attachment; `Attachment` is defined after this class."""
        return self.attachment

    @cython.cfunc
    def _taken(self) -> Any:
        """Return the pages and the number of bytes asked for.

        Raises ValueError if the buffer was released, BufferError while it is made shorter.
        """
        if not self.released:
            taken = self._taken_if_any()
            if not self.released:
                return taken
        raise ValueError("this buffer was released; allocate another, or release it later")

    @cython.cfunc
    def _taken_if_any(self) -> Any:
        """`_taken`; of a released buffer whatever it still keeps, or None."""
        while True:
            changes: u64 = self.changes
            if self.shrinking:
                self._refuse_while_shrinking()
            # In this order: the pages are replaced before the number of bytes becomes larger.
            n_bytes: u64 = self.n_bytes
            pages = self.pages
            if cython.compiled:
                return pages, n_bytes
            # Uncompiled, threads may switch anywhere, and a whole `resize` may have happened.
            if not self.shrinking and self.changes == changes:
                return pages, n_bytes

    @cython.cfunc
    def _refuse_while_shrinking(self) -> Any:
        """Raise BufferError, unless a fork copied a `resize` of another process: then finish that."""
        process: u64 = os.getpid()
        if self.shrinking and self.resizing == process:
            raise BufferError("another thread is shrinking this buffer; wait until it has finished")
        pages = self.pages
        if self.shrinking:
            if pages is not None:
                n: u64 = pages_in(self.attachment.records[FIRST_NODE + self.start])
                most: u64 = n << self.attachment.page_bits
                if most < bytes_of_pages(pages):
                    self._use_pages(pages, n, min(self.n_bytes, most))
            self.shrinking = False

    @cython.cfunc
    def _begin_resizing(self) -> Any:
        """Let no other thread resize the buffer until `_end_resizing`. Raises BufferError."""
        process: u64 = os.getpid()
        if self.shrinking:
            self._refuse_while_shrinking()
        is_mine = self.resizing != process
        if not cython.compiled:
            turn = object()
            # In one step: threads may switch anywhere.
            is_mine = self.__dict__.setdefault(f"turn of {process}", turn) is turn
        if not is_mine:
            raise BufferError("another thread is resizing this buffer; wait until it has finished")
        self.resizing = process

    @cython.cfunc
    def _end_resizing(self) -> Any:
        """Let other threads resize the buffer again."""
        process: u64 = self.resizing
        self.shrinking = False
        self.resizing = 0
        if not cython.compiled:
            del self.__dict__[f"turn of {process}"]

    @cython.cfunc
    def _resized(self, n: u64, n_bytes: u64) -> bool:
        """`resize` to n pages, while no other thread resizes this object."""
        pages, _ = self._taken()
        node: u64 = node_of_pages(self.attachment, pages)
        # The arena's record counts: another process may have made the buffer longer.
        recorded: u64 = pages_in(self.attachment.records[node])
        own: u64 = bytes_of_pages(pages) >> self.attachment.page_bits
        # The directory stores the size of a kept buffer.
        if n != recorded or n != own or self._allocator.is_kept(node):
            if n > recorded and self.attachment.readonly:
                raise self._allocator.refusal(n)
            self.shrinking = n < recorded
            unseen = self.shrinking and self._is_unseen()
            again = n != own and not cython.compiled
            request = Request(node, n, n_bytes, n_more_objects=again, is_unseen=unseen)
            try:
                answer = self._allocator.perform(request, OP_RESIZE)
                if answer == NO_PAGES and request.n_pieces:
                    answer = self._allocator.perform_beside_trims(request, OP_RESIZE)
                if answer == NO_PAGES:
                    return False
            except BufferError:
                # This object has that many pages, even if the buffer has more by now.
                if n != own:
                    raise
        self._use_pages(pages, n, n_bytes)
        return True

    @cython.cfunc
    def _use_pages(self, pages: Any, n: u64, n_bytes: u64) -> Any:
        """Have n pages from now on: those that the arena's record says, or fewer."""
        size: u64 = n << self.attachment.page_bits
        if cython.compiled:
            # Other objects of a longer buffer may have made it longer still.
            if self.shrinking or size > bytes_of_pages(pages):
                extend(pages, size)  # type: ignore  # noqa: F821
        elif size != bytes_of_pages(pages):
            pages = pages_over(
                self.attachment, node_of_pages(self.attachment, pages), size, n_bytes
            )
            self.pages = pages
            if self.released:
                self.pages = None
        self.n_pages = n
        self.n_bytes = n_bytes
        tell_asked(pages, n_bytes)
        self.changes += 1

    @cython.cfunc
    def _is_unseen(self) -> cython.bint:
        """Return whether only this object and `_resized` refer to the pages."""
        if cython.compiled:
            return not self.served and references_to_pages(self) == 2  # type: ignore  # noqa: F821
        # The third reference is the argument of `getrefcount`.
        return not self.served and sys.getrefcount(self.pages) == 3


@cython.cfunc
def exported(pages: Any, n_bytes: u64) -> memoryview:
    """Return a view of the first bytes, over the pages and not over a Buffer."""
    view: memoryview = memoryview(pages)
    if not cython.compiled:
        view = view.cast("B")
        if pages.attachment.readonly:
            view = view.toreadonly()
    return view if n_bytes == cython.cast(u64, len(view)) else view[:n_bytes]


@cython.cfunc
def made_buffer(a: ArenaState, pages: Any, node: u64, n: u64, n_bytes: u64) -> Buffer:
    """Return a buffer object for pages that this process holds."""
    buffer: Buffer = Buffer.__new__(Buffer) if cython.compiled else object.__new__(Buffer)
    buffer.attachment = a
    buffer.start = node - FIRST_NODE
    buffer.pages = pages
    buffer.n_pages = n
    buffer.n_bytes = n_bytes
    buffer.served = buffer.released = False
    buffer.shrinking = False
    buffer.resizing = buffer.changes = 0
    return buffer


if not cython.compiled:
    # Uncompiled there is no buffer protocol: `__buffer__` of Python 3.12 would release the pages with
    # the first view, even if other objects were made from that view. The error of `memoryview` names
    # only the type, so the type's name says what to do.
    Buffer.__name__ = "Buffer (uncompiled: use its .view)"
