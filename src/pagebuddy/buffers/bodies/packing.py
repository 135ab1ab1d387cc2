"""Packing an object that needs no pickler: a scalar, bytes, an array, or a tuple, list or dict of these.

What belongs to an item, behind its tag:

    int, float         64 bits
    complex            two numbers of 64 bits
    str, bytes,        number of bytes, 64 bits, and the bytes; of text in UTF-8
    bytearray
    the same again     the number of the item that is this very object, 8 bits; not for short text
    Buffer             index of its pages, 32 bits; size in bytes, 64 bits
    array, memoryview  flags, letter of the kind of numbers, bytes of one, number of sides, 8 bits each;
                       index of the pages, 32 bits; the first item's position in them, 64 bits; the sides
                       and the strides, 64 bits each. If it is inline, number of bytes, 64 bits, and the
                       bytes, and there is neither index nor position. A view has no strides.

Buffers that the process does not hold yet are allocated when everything else is packed.
"""

from typing import Any

from pagebuddy.core import stand_in as cython
from pagebuddy.sharing.joining import backing

if not cython.compiled:
    from pagebuddy.buffers.arrays import numpy, pages_of
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.bodies.body import Body, index_of_pages
    from pagebuddy.buffers.bodies.forms import (
        ArrayForm,
        address_of_view,
        bytes_before,
        bytes_covered,
        is_described,
        n_bytes_of,
        put_items,
        set_contiguous,
    )
    from pagebuddy.buffers.bodies.words import (
        BODY_ITEMS,
        BODY_READONLY,
        IN_DICT,
        IN_LIST,
        IN_TUPLE,
        IS_INLINE,
        IS_WRITABLE,
        ITEM_ARRAY,
        ITEM_BUFFER,
        ITEM_BYTEARRAY,
        ITEM_BYTES,
        ITEM_COMPLEX,
        ITEM_FALSE,
        ITEM_FLOAT,
        ITEM_INT,
        ITEM_NONE,
        ITEM_SAME,
        ITEM_TEXT,
        ITEM_TRUE,
        ITEM_VIEW,
        MOST_ITEMS,
        MOST_SIDES,
        NO_CONTAINER,
        SMALL,
        WORTH_COMPARING,
    )
    from pagebuddy.buffers.bodies.writing import (
        Writer,
        finished,
        put8,
        put32,
        put64,
        put_bytes,
        put_double,
    )
    from pagebuddy.buffers.buffer import Buffer
    from pagebuddy.buffers.pages import address_of_node, asked_of, bytes_of_pages, node_of_pages
    from pagebuddy.core.words import i64, u64

# The formats of the module struct to which a memoryview can be cast.
FORMATS = frozenset("cbB?hHiIlLqQnNfdP")

if not cython.compiled:

    def put_int(w: Writer, number: int) -> bool:
        """Add an int; return False if it has more than 64 bits."""
        if not -1 << 63 <= number < 1 << 63:
            return False
        put8(w, ITEM_INT)
        put64(w, number)
        return True

    def put_text(w: Writer, text: str) -> None:
        """Add text."""
        put_run(w, ITEM_TEXT, text.encode("utf-8", "surrogatepass"))


@cython.no_gc
@cython.freelist(8)
@cython.final
@cython.cclass
class Packing:
    """An object that is being packed."""

    a: Attachment
    w: Writer
    body: Body
    readonly: cython.bint
    # The number of each item that was packed, by the object's id; None for a single item.
    numbers: Any
    # What is to be copied into the arena: index of the pages, array or view, and the order of its items.
    copies: Any

    def __reduce__(self) -> Any:
        raise TypeError("this cannot be copied or pickled")


@cython.cfunc
def packed_items(a: Attachment, thing: Any, readonly: cython.bint) -> Any:
    """Return the `Body` of an object; None if it needs a pickler.

    If `readonly`, the receiver gets all its bytes read-only. Raises `OutOfPages`, and ValueError for a
    buffer that was released.
    """
    p: Packing = Packing()
    p.a = a
    p.body = Body(a)
    p.w = p.body.w
    p.readonly = readonly
    p.numbers = p.copies = None
    put8(p.w, BODY_ITEMS)
    put8(p.w, BODY_READONLY if readonly else 0)
    kind = type(thing)
    if kind is dict:
        is_packed: cython.bint = put_dict(p, thing)
    elif kind is tuple or kind is list:
        is_packed = put_row(p, tuple(thing), IN_TUPLE if kind is tuple else IN_LIST)
    else:
        put8(p.w, NO_CONTAINER)
        put8(p.w, 1)
        is_packed = put_item(p, thing, 0)
    if not is_packed:
        return None
    if p.copies is not None:
        copy_in(p)
    return p.body


@cython.cfunc
def packed_scalar(thing: Any) -> Any:
    """Return the bytes of a body of one short object without parts; None for any other."""
    kind = type(thing)
    if (kind is str or kind is bytes) and len(thing) >= WORTH_COMPARING:
        return None
    w: Writer = Writer()
    put8(w, BODY_ITEMS)
    put8(w, 0)
    put8(w, NO_CONTAINER)
    put8(w, 1)
    return finished(w, 0) if put_scalar(w, thing) else None


@cython.cfunc
def put_row(p: Packing, things: Any, container: u64) -> cython.bint:
    """Add the items of a tuple or list; return False if one needs a pickler."""
    n: u64 = len(things)
    if n > MOST_ITEMS:
        return False
    put8(p.w, container)
    put8(p.w, n)
    if n > 1:
        p.numbers = {}
    i: u64 = 0
    while i < n and put_item(p, things[i], i):
        i += 1
    return i == n


@cython.cfunc
def put_dict(p: Packing, things: Any) -> cython.bint:
    """Add the keys and the items of a dict; return False if one needs a pickler."""
    # At one moment: other threads may store to it.
    pairs = tuple(things.items())
    n: u64 = len(pairs)
    if n > MOST_ITEMS:
        return False
    put8(p.w, IN_DICT)
    put8(p.w, n)
    if n > 1:
        p.numbers = {}
    for i in range(n):
        key, thing = pairs[i]
        if not put_scalar(p.w, key) or not put_item(p, thing, i):
            return False
    return True


@cython.cfunc
def put_scalar(w: Writer, thing: Any) -> cython.bint:
    """Add an object without parts; return False for any other."""
    kind = type(thing)
    if thing is None:
        put8(w, ITEM_NONE)
    elif kind is bool:
        put8(w, ITEM_TRUE if thing else ITEM_FALSE)
    elif kind is int:
        return put_int(w, thing)
    elif kind is float:
        put8(w, ITEM_FLOAT)
        put_double(w, thing)
    elif kind is complex:
        put8(w, ITEM_COMPLEX)
        put_double(w, thing.real)
        put_double(w, thing.imag)
    elif kind is str:
        put_text(w, thing)
    elif kind is bytes:
        put_run(w, ITEM_BYTES, thing)
    else:
        return False
    return True


@cython.cfunc
def put_run(w: Writer, tag: u64, data: Any) -> cython.void:
    """Add bytes."""
    put8(w, tag)
    put64(w, len(data))
    put_bytes(w, data)


@cython.cfunc
def put_item(p: Packing, thing: Any, number: u64) -> cython.bint:
    """Add any item; return False if it needs a pickler."""
    kind = type(thing)
    is_run: cython.bint = kind is str or kind is bytes
    if (not is_run or len(thing) < WORTH_COMPARING) and put_scalar(p.w, thing):
        return True
    if p.numbers is not None:
        first: u64 = p.numbers.setdefault(id(thing), number)
        if first != number:
            put8(p.w, ITEM_SAME)
            put8(p.w, first)
            return True
    if is_run:
        return put_scalar(p.w, thing)
    if kind is bytearray:
        put_run(p.w, ITEM_BYTEARRAY, thing)
        return True
    if kind is Buffer:
        return put_buffer(p, thing)
    if cython.compiled:
        form: RawForm  # type: ignore  # noqa: F821
        f: ArrayForm = cython.address(form)  # type: ignore[attr-defined]  # noqa: F821
        f.owner = cython.NULL  # type: ignore[attr-defined]
    else:
        f = ArrayForm()
    if kind is memoryview:
        return put_view(p, thing, f)
    return is_described(thing, f) and put_array(p, thing, f)


@cython.cfunc
def put_buffer(p: Packing, buffer: Buffer) -> cython.bint:
    """Add a Buffer; return False if it is of another arena. Raises ValueError if it was released."""
    if buffer.attachment is not p.a:
        return False
    pages, n_bytes = buffer._taken()
    put8(p.w, ITEM_BUFFER)
    put32(p.w, index_of_pages(p.body, pages, n_bytes))
    put64(p.w, n_bytes)
    return True


@cython.cfunc
def put_array(p: Packing, array: Any, f: ArrayForm) -> cython.bint:
    """Add an array; return False if its buffer cannot be found at once."""
    n_bytes: u64 = n_bytes_of(f)
    before: u64 = bytes_before(f) if n_bytes else 0
    if n_bytes and is_in_arena(p.a, f.address - before):
        return put_place(p, ITEM_ARRAY, array, f, before, bytes_covered(f))
    is_short: cython.bint = n_bytes < SMALL
    # Without gaps, the items stay in their order.
    is_fortran: cython.bint = f.is_f and not f.is_c
    if not is_short or not (f.is_c or f.is_f):
        set_contiguous(f, is_fortran)
    if not is_short:
        put_copy(p, ITEM_ARRAY, array, f, "F" if is_fortran else "C")
        return True
    put_form(p, ITEM_ARRAY, f, IS_INLINE)
    put_sides(p.w, ITEM_ARRAY, f)
    put64(p.w, n_bytes)
    put_items(p.w, array, f, n_bytes)
    return True


@cython.cfunc
def put_view(p: Packing, view: Any, f: ArrayForm) -> cython.bint:
    """Add a memoryview; return False if none like it can be made again, or its buffer not be found."""
    n_bytes: u64 = view.nbytes
    shape = view.shape
    f.n_sides = len(shape)
    if not view.c_contiguous or view.format not in FORMATS:
        return False
    if f.n_sides > MOST_SIDES or (f.n_sides != 1 and not n_bytes):
        return False
    f.letter = ord(view.format)
    f.item_bytes = view.itemsize
    f.is_writable = not view.readonly
    for i in range(len(shape)):
        f.sides[i] = shape[i]
    f.address = address_of_view(view)
    if n_bytes and is_in_arena(p.a, f.address):
        return put_place(p, ITEM_VIEW, view, f, 0, n_bytes)
    if n_bytes >= SMALL:
        put_copy(p, ITEM_VIEW, view.cast("B"), f, None)
        return True
    put_form(p, ITEM_VIEW, f, IS_INLINE)
    put_sides(p.w, ITEM_VIEW, f)
    put64(p.w, n_bytes)
    put_bytes(p.w, view.cast("B"))
    return True


@cython.cfunc
def put_form(p: Packing, tag: u64, f: ArrayForm, flags: u64) -> cython.void:
    """Add a tag and what the bytes mean."""
    if f.is_writable and not p.readonly:
        flags |= IS_WRITABLE
    put8(p.w, tag)
    put8(p.w, flags)
    put8(p.w, f.letter)
    put8(p.w, f.item_bytes)
    put8(p.w, f.n_sides)


@cython.cfunc
def put_sides(w: Writer, tag: u64, f: ArrayForm) -> cython.void:
    """Add the sides, and those of an array with the strides."""
    for i in range(f.n_sides):
        put64(w, f.sides[i])
    if tag == ITEM_ARRAY:
        for i in range(f.n_sides):
            put64(w, f.strides[i])


@cython.cfunc
def put_place(
    p: Packing, tag: u64, thing: Any, f: ArrayForm, before: u64, n_bytes: u64
) -> cython.bint:
    """Add an array or view in the arena by its place; return False if its buffer is not found.

    It covers so many bytes, of which some are before its first item.
    """
    pages = pages_under(p.a, thing, f)
    if pages is None:
        return False
    start: i64 = f.address - before - address_of_node(p.a, node_of_pages(p.a, pages))
    if start < 0 or start + n_bytes > bytes_of_pages(pages):
        return False
    # Not less than the buffer shows, so that the receiver's buffer is as long.
    shown: u64 = max(start + n_bytes, asked_of(pages))
    put_form(p, tag, f, 0)
    put32(p.w, index_of_pages(p.body, pages, shown))
    put64(p.w, start + before)
    put_sides(p.w, tag, f)
    return True


@cython.cfunc
def put_copy(p: Packing, tag: u64, thing: Any, f: ArrayForm, order: Any) -> cython.void:
    """Add an array or view that will be copied into a new buffer, in that order of items."""
    index = len(p.body._pages)
    p.body._pages.append(None)
    p.body._shown.append(thing.nbytes)
    if p.copies is None:
        p.copies = []
    p.copies.append((index, thing, order))
    put_form(p, tag, f, 0)
    put32(p.w, index)
    put64(p.w, 0)
    put_sides(p.w, tag, f)


@cython.cfunc
def copy_in(p: Packing) -> cython.void:
    """Copy into the arena what is not there. Raises `OutOfPages`, and then refers to no buffer."""
    try:
        for index, thing, order in p.copies:
            buffer: Buffer = backing.room_for(p.a, thing.nbytes)  # type: ignore[assignment]
            p.body._pages[index] = buffer.pages
            if order is None:
                buffer.view[:] = thing
            else:
                numpy().ndarray(thing.shape, thing.dtype, buffer.view, 0, None, order)[...] = thing
    except BaseException:
        # A traceback would keep them.
        buffer = None  # type: ignore[assignment]
        p.body.drop()
        raise


@cython.cfunc
def is_in_arena(a: Attachment, address: u64) -> cython.bint:
    """Whether an address is one of the arena's pages."""
    return a.data_address <= address < a.data_address + (a.total << a.page_bits)


@cython.cfunc
def pages_under(a: Attachment, thing: Any, f: ArrayForm) -> Any:
    """Return what holds the pages of an array or view, or None."""
    if cython.compiled:
        pages = own_pages(a, f)  # type: ignore  # noqa: F821
        if pages is not None:
            return pages
    buffer: Buffer = a.buffer_over(pages_of(thing))
    return None if buffer is None else buffer.pages
