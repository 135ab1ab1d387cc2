"""Buffer: one allocation with its bytes."""

import sys
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pagebuddy.core import stand_in as cython
from pagebuddy.memory import sizes
from pagebuddy.sharing.joining import backing, failures

if not cython.compiled:
    from pagebuddy.buffers.arrays import array_over
    from pagebuddy.buffers.pages import pages_over, tell_asked
    from pagebuddy.core.words import N_HEADS, u64
    from pagebuddy.sharing.request import Request
    from pagebuddy.sharing.state import ArenaState
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

    __weakref__: object

    attachment: ArenaState
    # The BufferHold, or uncompiled a ctypes array, which exports the bytes. None once released.
    pages: Any
    node: u64
    n_pages: u64
    n_bytes: u64
    # Whether the buffer protocol was used: the consumer may keep only this object alive.
    served: cython.bint
    released: cython.bint
    # Whether a thread is in `resize`, and whether it may give pages back, so that no view may be made.
    resizing: cython.bint
    shrinking: cython.bint

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
            self._check()
            self.served = True
            address = address_of_node(self.attachment, self.node)  # type: ignore  # noqa: F821
            fill_buffer(view, self.pages, address, self.n_bytes, flags)  # type: ignore  # noqa: F821

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
        return (self.node - N_HEADS) << self.attachment.page_bits

    @property
    def view(self) -> memoryview:
        """The bytes, as a writable memoryview. The view keeps the pages allocated.

        Raises
        ------
        ValueError
            If the buffer was released.
        """
        self._check()
        view = self._exported(self.n_bytes)
        self._check_again()
        return view  # type: ignore[no-any-return]

    @property
    def kept(self) -> bool:
        """Whether the buffer is kept, and so outlives the processes that hold it."""
        self._check()
        return bool(self._allocator.is_kept(self.node))

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
        self._check()
        array = array_over(self.pages, self.n_bytes, shape, dtype, order)
        self._check_again()
        return array  # type: ignore[no-any-return]

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
        self._check()
        n_bytes = sizes.bytes_of(nbytes, "nbytes")
        n = -(-n_bytes // self._allocator.layout.page_size)
        if self.resizing:
            raise BufferError("another thread is resizing this buffer; wait until it has finished")
        # Kept also if another thread releases the buffer while this one waits for the lock.
        pages = self.pages
        # The directory stores the size of a kept buffer.
        if n != self.n_pages or self.kept:
            self.resizing = True
            self.shrinking = n < self.n_pages
            try:
                again = n != self.n_pages and not cython.compiled
                unseen = self.shrinking and self._is_unseen()
                request = Request(self.node, n, n_bytes, n_more_objects=again, is_unseen=unseen)
                if self._allocator.perform(request, OP_RESIZE) == NO_PAGES:
                    return False
                if n != self.n_pages:
                    self.n_pages = n
                    pages = self._extended(pages)
            finally:
                self.resizing = self.shrinking = False
        self.n_bytes = n_bytes
        tell_asked(pages, n_bytes)
        return True

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
        OutOfSlots
            If the directory of kept buffers is full.

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
        self._check()
        text = failures.key_to_keep(key)
        if flush:
            self._allocator.medium.flush()
        request = Request(self.node, n_bytes=self.n_bytes, key=text, replace=bool(replace))
        self._allocator.perform(request, OP_KEEP)
        if flush:
            self._allocator.medium.flush()

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
        self._check()
        self._allocator.perform(Request(self.node), OP_UNKEEP)

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
        if not self.served:
            self.pages = None

    def __len__(self) -> int:
        return self.n_bytes

    def __enter__(self: _B) -> _B:
        self._check()
        return self

    def __exit__(self, *failure: object) -> None:
        self.release()

    def __copy__(self: _B) -> _B:
        """Return another object for the same pages."""
        self._check()
        return made_buffer(  # type: ignore[return-value]
            self.attachment, self.pages, self.node, self.n_pages, self.n_bytes
        )

    def __deepcopy__(self: _B, memo: object) -> _B:
        """Return a new buffer with a copy of the bytes."""
        # Reading a page that was never used may need room too.
        backing.back_bytes(self._allocator, self.offset, self.n_bytes)
        copy = backing.room_for(self._allocator, self.n_bytes)
        copy.view[:] = self.view
        return copy  # type: ignore[return-value]

    def __reduce__(self) -> Any:
        """Travel as a handle: the process that unpickles it, once, holds the same pages."""
        from pagebuddy.sharing.joining.sending import claim, send

        self._check()
        return claim, (send(self._allocator, self.node, self.n_bytes),)

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
    def _check(self) -> Any:
        """Raise ValueError if the buffer was released, BufferError while it is shrinking."""
        if self.released:
            raise ValueError("this buffer was released; allocate another, or release it later")
        if self.shrinking:
            raise BufferError("another thread is shrinking this buffer; wait until it has finished")

    @cython.cfunc
    def _check_again(self) -> Any:
        """Check again after a view was made: another thread may have found no view just before."""
        if not cython.compiled:
            self._check()

    @cython.cfunc
    def _exported(self, n_bytes: u64) -> Any:
        """Return a view of the first bytes, over the pages and not over this object."""
        view: memoryview = memoryview(self.pages)
        if not cython.compiled:
            view = view.cast("B")
        return view if n_bytes == cython.cast(u64, len(view)) else view[:n_bytes]

    @cython.cfunc
    def _is_unseen(self) -> cython.bint:
        """Return whether only this object and `resize` refer to the pages."""
        if cython.compiled:
            return not self.served and references_to_pages(self) == 2  # type: ignore  # noqa: F821
        # The third reference is the argument of `getrefcount`.
        return not self.served and sys.getrefcount(self.pages) == 3

    @cython.cfunc
    def _extended(self, pages: Any) -> Any:
        """Make the exported bytes as many as there are now; return the exporter."""
        n_bytes = self.n_pages << self.attachment.page_bits
        if cython.compiled:
            extend(pages, n_bytes)  # type: ignore  # noqa: F821
        else:
            pages = pages_over(self.attachment, self.node, n_bytes, self.n_bytes)
            if not self.released:
                self.pages = pages
        return pages


@cython.cfunc
def made_buffer(a: ArenaState, pages: Any, node: u64, n: u64, n_bytes: u64) -> Buffer:
    """Return a buffer object for pages that this process holds."""
    buffer: Buffer = Buffer.__new__(Buffer) if cython.compiled else object.__new__(Buffer)
    buffer.attachment = a
    buffer.pages = pages
    buffer.node = node
    buffer.n_pages = n
    buffer.n_bytes = n_bytes
    buffer.served = buffer.released = False
    buffer.resizing = buffer.shrinking = False
    return buffer


if not cython.compiled:
    # Uncompiled there is no buffer protocol: `__buffer__` of Python 3.12 would release the pages with
    # the first view, even if other objects were made from that view. The error of `memoryview` names
    # only the type, so the type's name says what to do.
    Buffer.__name__ = "Buffer (uncompiled: use its .view)"
