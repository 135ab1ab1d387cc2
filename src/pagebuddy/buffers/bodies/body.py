"""Body: an object as bytes, and the pages in which its arrays lie.

The pages are not part of the bytes: these name them by their index. Whoever sends a body sees to it that
they stay allocated until the receiver holds them: a message has a ticket for each, a ring holds them
itself. Bytes of numbers are in the byte order of the machine.

    offset  0  kind, 8 bits: BODY_PICKLE or BODY_ITEMS
            1  flags, 8 bits: 1 if the receiver gets all bytes read-only

    a pickle:
            2  0, 16 bits
            4  number of handles, 32 bits: of buffers in other arenas
            8  number of parts, 32 bits
           12  handles: the length of each, 16 bits, and the handle
               parts: index of the pages, 32 bits; start and stop in their bytes, 64 bits each. These
               are what the pickle takes out of band. With a start of all ones, it is a Buffer of
               that many bytes. After the pages, the indexes are those of the handles
               the pickle, to the end

    items, of an object that needs no pickler:
            2  container, 8 bits: that of the items, or NO_CONTAINER for a single one
            3  number of items, 8 bits; each of a dict has a key before it
            4  items: a tag, 8 bits, and what belongs to it, see `packing`
"""

from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.bodies.words import BODY_PICKLE, BODY_READONLY, FRAME_AT_BODY
    from pagebuddy.buffers.bodies.writing import (
        Writer,
        finished,
        move,
        put8,
        put16,
        put32,
        put64,
        put_bytes,
    )
    from pagebuddy.buffers.buffer import Buffer
    from pagebuddy.buffers.pages import node_of_pages
    from pagebuddy.core.words import u64


@cython.no_gc
@cython.final
@cython.cclass
class Body:
    """The bytes of an object, and the pages that they refer to.

    These hold:
    - `pages` has each buffer of the arena once, as the object that holds it.
    - `shown` says of each how many of its first bytes the receiver may see.
    """

    attachment: Attachment
    w: Writer  # of a frame: the bytes of the body begin at FRAME_AT_BODY
    _pages: Any
    _shown: Any
    _indexes: Any  # of the pages, by node; None until there are several
    _foreign: Any  # an `Unclaimed` with the tickets of buffers in other arenas, or None

    def __init__(self, attachment: Attachment) -> None:
        self.attachment = attachment
        self.w = Writer()
        move(self.w, FRAME_AT_BODY)
        self._pages = []
        self._shown = []
        self._indexes = None
        self._foreign = None

    @property
    def data(self) -> Any:
        """The bytes."""
        return finished(self.w, FRAME_AT_BODY)

    @property
    def pages(self) -> Any:
        """What holds the pages."""
        return self._pages

    @property
    def shown(self) -> Any:
        """How many of their first bytes the receiver may see."""
        return self._shown

    def add(self, buffer: Any, n_bytes: Any) -> Any:
        """Refer to the first bytes of a buffer; return the index of its pages.

        None means all bytes that it shows. Raises ValueError for a released buffer.
        """
        held: Buffer = buffer
        pages, told = held._taken()
        index: Any = index_of_pages(self, pages, told if n_bytes is None else n_bytes)
        return index

    def is_of(self, buffer: Any) -> bool:
        """Whether a Buffer is of the body's arena."""
        held: Buffer = buffer
        return held.attachment is self.attachment

    def keep(self, foreign: Any) -> None:
        """Keep an `Unclaimed` with tickets of buffers in other arenas until this object ends."""
        self._foreign = foreign

    def write_pickle(self, parts: Any, handles: Any, pickled: Any, readonly: bool) -> None:
        """Let the bytes be those of a pickle: given index, start and stop of each part."""
        w: Writer = self.w
        put8(w, BODY_PICKLE)
        put8(w, BODY_READONLY if readonly else 0)
        put16(w, 0)
        put32(w, len(handles))
        put32(w, len(parts))
        for handle in handles:
            put16(w, len(handle))
            put_bytes(w, handle)
        for index, start, stop in parts:
            put32(w, index)
            put64(w, start)
            put64(w, stop)
        put_bytes(w, pickled)

    def handed(self) -> None:
        """Leave the tickets of buffers in other arenas to the receiver: the bytes were sent."""
        if self._foreign is not None:
            self._foreign.handed()

    def drop(self) -> None:
        """Refer to nothing any more: an exception may keep this object for a long time."""
        self._pages.clear()
        self._shown.clear()
        self._indexes = None

    def __reduce__(self) -> Any:
        raise TypeError("a body cannot be copied or pickled; pack the object again")


@cython.cfunc
def index_of_pages(body: Body, pages: Any, n_bytes: u64) -> u64:
    """Return the index of pages of the body's arena, of which the receiver may see so many bytes."""
    n: u64 = len(body._pages)
    index: u64 = n
    if n:
        if body._indexes is None:
            body._indexes = {}
            for i in range(n):
                # What is to be copied has no pages yet.
                if body._pages[i] is not None:
                    body._indexes[node_of_pages(body.attachment, body._pages[i])] = i
        index = body._indexes.setdefault(node_of_pages(body.attachment, pages), n)
    if index == n:
        body._pages.append(pages)
        body._shown.append(n_bytes)
    elif n_bytes > cython.cast(u64, body._shown[index]):
        body._shown[index] = n_bytes
    return index
