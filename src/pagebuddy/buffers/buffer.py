"""Buffer: one allocation with its bytes."""

import sys
from typing import TYPE_CHECKING, Any, TypeVar

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

_B = TypeVar("_B", bound="Buffer")


@cython.no_gc
@cython.freelist(256)
@cython.final
@cython.cclass
class Buffer:
    """A run of whole pages of an arena, as this process holds it.

    It ends when nothing refers to it any more, neither this object nor any view or array of it, in any
    process. It has the buffer protocol, so that `memoryview`, `numpy.frombuffer`, `pyarrow.py_buffer`,
    `torch.frombuffer` and the like take it as it is; what they make keeps the pages. `Arena.alloc` makes
    buffers.

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
    # A consumer of the buffer protocol may keep nothing but this object.
    served: cython.bint
    released: cython.bint
    # Another thread is in `resize`; and it may give pages back, so that no view may be made meanwhile.
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
            # Compiled it has the buffer protocol, and whoever takes its bytes is told so.
            def __buffer__(self, flags: int, /) -> memoryview: ...

    if cython.compiled:

        def __getbuffer__(self, view: cython.pointer(Py_buffer), flags: cython.int) -> None:  # type: ignore  # noqa: F821
            self._check()
            self.served = True
            address = address_of_node(self.attachment, self.node)  # type: ignore  # noqa: F821
            fill_buffer(view, self.pages, address, self.n_bytes, flags)  # type: ignore  # noqa: F821

    @property
    def nbytes(self) -> int:
        """How many bytes were asked for."""
        return self.n_bytes

    @property
    def capacity(self) -> int:
        """How many bytes there are: whole pages."""
        return self.n_pages << self.attachment.page_bits

    @property
    def offset(self) -> int:
        """Where it starts among the arena's pages, in bytes: the same in every process."""
        return (self.node - N_HEADS) << self.attachment.page_bits

    @property
    def view(self) -> memoryview:
        """Its bytes, as a writable memoryview, which keeps the pages alive by itself.

        Raises ValueError for a buffer that was released.
        """
        self._check()
        view = self._exported(self.n_bytes)
        self._check_again()
        return view  # type: ignore[no-any-return]

    @property
    def kept(self) -> bool:
        """Whether it is kept: whether it outlives its holders."""
        self._check()
        return bool(self._allocator.is_kept(self.node))

    def array(self, shape: Any = None, dtype: Any = "u1", order: str = "C") -> Any:
        """Return its bytes as a numpy array, which keeps the pages alive by itself.

        shape is what numpy takes; by default all whole items, in one dimension. Raises ValueError for
        more than `nbytes`, TypeError for a dtype of Python objects, ImportError without numpy.

        >>> from pagebuddy import Arena
        >>> Arena("1 MiB").alloc(24).array((2, 3), "i4").shape
        (2, 3)
        """
        self._check()
        array = array_over(self.pages, self.n_bytes, shape, dtype, order)
        self._check_again()
        return array

    def resize(self, nbytes: Any, /) -> bool:
        """Make it that long, in place; return whether that could be done.

        It grows into free pages behind it; False says that there are none. It gives pages back only
        where nobody else can see them: no other holder, handle, view or array, and it was never taken by
        its buffer protocol. Raises BufferError otherwise, and while another thread resizes it.

        >>> from pagebuddy import Arena
        >>> buffer = Arena("1 MiB").alloc(5000)
        >>> buffer.resize(100_000), buffer.resize("2 MiB"), buffer.nbytes
        (True, False, 100000)
        """
        self._check()
        n_bytes = sizes.bytes_of(nbytes, "nbytes")
        n = -(-n_bytes // self._allocator.layout.page_size)
        if self.resizing:
            raise BufferError("another thread resizes this buffer; wait until it has")
        # Whatever another thread lets go of, while this one waits for the lock.
        pages = self.pages
        # The directory tells how long a kept buffer is.
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

    def keep(self, key: Any = True, *, replace: bool = False, flush: bool = True) -> None:
        """Let it outlive its holders, to be found again as `arena[key]`; True keeps it without a key.

        A key has 1 to 47 ASCII characters. With `replace` the buffer that has the key so far is kept no
        longer, from one store to the next. A file is flushed before and after, unless told otherwise, so
        that the buffer is there after a power cut. A buffer that is kept already gets the new key in
        place of its old one, and is from now on as long as this object says. Raises ValueError for a key
        that is taken or none, OutOfSlots where the directory is full. Cost: that of two flushes, for a
        file; else about that of a call.

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
        """Keep it no longer: it ends with its last holder. Nothing happens if it is not kept.

        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> arena.alloc(5, keep="note").unkeep()
        >>> "note" in arena
        False
        """
        self._check()
        self._allocator.perform(Request(self.node), OP_UNKEEP)

    def release(self) -> None:
        """Let go of it now, not when this object dies. Views and arrays stay as they are.

        The pages return with the last of those, or with this object where a consumer of its buffer
        protocol may have kept nothing else. A second call does nothing.

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
        """Another object for the same pages."""
        self._check()
        return made_buffer(  # type: ignore[return-value]
            self.attachment, self.pages, self.node, self.n_pages, self.n_bytes
        )

    def __deepcopy__(self: _B, memo: object) -> _B:
        """Return a new buffer with a copy of the bytes."""
        # To read an untouched page may take room as well.
        backing.back_bytes(self._allocator, self.offset, self.n_bytes)
        copy = backing.room_for(self._allocator, self.n_bytes)
        copy.view[:] = self.view
        return copy  # type: ignore[return-value]

    def __reduce__(self) -> Any:
        """Travel as a handle: whoever unpickles it, once, holds the same pages."""
        from pagebuddy.sharing.joining.sending import claim, send

        self._check()
        return claim, (send(self._allocator, self.node, self.n_bytes),)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """`__reduce__`. Protocols that have no bytes would spell them out: there the handle is text."""
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
        """The attachment, with all that a `Attachment` has."""
        return self.attachment

    @cython.cfunc
    def _check(self) -> Any:
        """Refuse a buffer that was released."""
        if self.released:
            raise ValueError("this buffer was released; allocate another, or release it later")
        if self.shrinking:
            raise BufferError("another thread makes this buffer shorter; wait until it has")

    @cython.cfunc
    def _check_again(self) -> Any:
        """Refuse a view that was made just when another thread found that there is none."""
        if not cython.compiled:
            self._check()

    @cython.cfunc
    def _exported(self, n_bytes: u64) -> Any:
        """A view of the first bytes, made over the pages and not over this object."""
        view: memoryview = memoryview(self.pages)
        if not cython.compiled:
            view = view.cast("B")
        return view if n_bytes == cython.cast(u64, len(view)) else view[:n_bytes]

    @cython.cfunc
    def _is_unseen(self) -> cython.bint:
        """Whether nothing but this object and `resize` refers to the pages."""
        if cython.compiled:
            return not self.served and references_to_pages(self) == 2  # type: ignore  # noqa: F821
        # The third reference is the call's own.
        return not self.served and sys.getrefcount(self.pages) == 3

    @cython.cfunc
    def _extended(self, pages: Any) -> Any:
        """Let the pages be as many as there are now."""
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
    """A buffer object for pages that are held."""
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
    # `__buffer__`, from Python 3.12 on, would put a wrapper before the pages that lets go of them when a
    # view is released, whatever was made of that view. All that `memoryview` and its like tell of what
    # they cannot take is the name of its type.
    Buffer.__name__ = "Buffer (uncompiled: use its .view)"
