"""Unpacking: a body, and what holds its pages, to the object.

The bytes may be anything: then this raises ValueError, or what the pickle raises. It reads nothing
outside of the body and of the bytes of its pages that the sender shows.
"""

import pickle
from copy import copy
from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.buffers.arrays import shaped_view
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.buffers.bodies.forms import ArrayForm, array_at, lies_within
    from pagebuddy.buffers.bodies.reading import (
        Reader,
        back,
        bytes_in,
        bytes_left,
        contradiction,
        get_bytes,
        get_double,
        get_number,
        get_signed,
        get_text,
        get_view,
    )
    from pagebuddy.buffers.bodies.words import (
        BODY_ITEMS,
        BODY_PICKLE,
        BODY_READONLY,
        IN_DICT,
        IN_LIST,
        IN_TUPLE,
        IS_BUFFER,
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
        MOST_BYTES,
        MOST_SIDES,
        NO_CONTAINER,
    )
    from pagebuddy.buffers.buffer import exported, made_buffer
    from pagebuddy.buffers.pages import asked_of, bytes_of_pages, node_of_pages
    from pagebuddy.core.words import u64


@cython.cfunc
def add_handles(rows: Any, r: Reader) -> cython.void:
    """Add the handles of other arenas in a body, to whose start the reader returns."""
    left: u64 = bytes_left(r)
    if get_number(r, 1) == BODY_PICKLE:
        get_number(r, 1)
        get_number(r, 2)
        n: u64 = get_number(r, 4)
        get_number(r, 4)
        for _ in range(n):
            rows.append(get_bytes(r, get_number(r, 2)))
    back(r, left - bytes_left(r))


@cython.cfunc
def unpacked_alone(a: Attachment, data: Any, readonly: cython.bint) -> Any:
    """Return the object of a body that has no pages. Raises what `Attachment.unpacked` raises."""
    r: Reader = Reader(data)
    kind: u64 = get_number(r, 1)
    if kind == BODY_PICKLE:
        return a.unpacked(data, [], readonly)
    back(r, 1)
    return unpacked_body(a, r, (), None, readonly)


@cython.cfunc
def unpacked_body(a: Attachment, r: Reader, pages: Any, others: Any, readonly: cython.bint) -> Any:
    """Return the object of a body, at whose start the reader is.

    `pages` is a list of what holds its pages, `others` one of the buffers of its handles, or None.
    """
    kind: u64 = get_number(r, 1)
    flags: u64 = get_number(r, 1)
    if flags & BODY_READONLY:
        readonly = True
    if kind == BODY_ITEMS and flags <= BODY_READONLY:
        return unpacked_items(a, r, pages, readonly)
    if kind == BODY_PICKLE and flags <= BODY_READONLY:
        return unpickled(a, r, pages, others, readonly)
    raise contradiction(bytes_in(r))


@cython.cfunc
def unpickled(a: Attachment, r: Reader, pages: Any, others: Any, readonly: cython.bint) -> Any:
    """Return the object of a pickle."""
    parts: list[Any] = []
    # An exception refers to this frame, so nothing may stay in it.
    try:
        get_number(r, 2)
        n_handles: u64 = get_number(r, 4)
        n_parts: u64 = get_number(r, 4)
        for _ in range(n_handles):
            get_view(r, get_number(r, 2))
        for _ in range(n_parts):
            parts.append(part_of(a, r, pages, others, readonly))
        return pickle.loads(get_view(r, bytes_left(r)), buffers=parts)
    finally:
        parts.clear()


@cython.cfunc
def part_of(a: Attachment, r: Reader, pages: Any, others: Any, readonly: cython.bint) -> Any:
    """Return the next part: what a pickle takes out of band."""
    index: u64 = get_number(r, 4)
    start: u64 = get_number(r, 8)
    stop: u64 = get_number(r, 8)
    n_pages: u64 = len(pages)
    if index >= n_pages:
        if others is None or index - n_pages >= cython.cast(u64, len(others)):
            raise contradiction(bytes_in(r))
        return copy(others[index - n_pages])
    if start == IS_BUFFER:
        return buffer_at(a, r, pages, index, stop)
    return view_at(r, pages, index, start, stop, readonly)


@cython.cfunc
def unpacked_items(a: Attachment, r: Reader, pages: Any, readonly: cython.bint) -> Any:
    """Return the object that was packed by its items."""
    container: u64 = get_number(r, 1)
    n: u64 = get_number(r, 1)
    if container > IN_DICT or (container == NO_CONTAINER and n != 1):
        raise contradiction(bytes_in(r))
    if container == NO_CONTAINER:
        thing = item_of(a, r, pages, readonly, ())
        if bytes_left(r):
            raise contradiction(bytes_in(r))
        return thing
    keys: list[Any] = []
    things: list[Any] = []
    try:
        for _ in range(n):
            if container == IN_DICT:
                keys.append(scalar_of(r, get_number(r, 1)))
            things.append(item_of(a, r, pages, readonly, things))
        if bytes_left(r):
            raise contradiction(bytes_in(r))
        if container == IN_TUPLE:
            return tuple(things)
        if container == IN_LIST:
            return things[:]
        return dict(zip(keys, things))  # noqa: B905  # the keyword takes time
    finally:
        # An exception refers to this frame.
        things.clear()


@cython.cfunc
def scalar_of(r: Reader, tag: u64) -> Any:
    """Return an object without parts."""
    if tag == ITEM_INT:
        return get_signed(r)
    if tag == ITEM_FLOAT:
        return get_double(r)
    if tag == ITEM_TEXT:
        return get_text(r, get_number(r, 8))
    if tag == ITEM_BYTES:
        return get_bytes(r, get_number(r, 8))
    if tag == ITEM_NONE:
        return None
    if tag == ITEM_FALSE:
        return False
    if tag == ITEM_TRUE:
        return True
    if tag == ITEM_COMPLEX:
        real: float = get_double(r)
        return complex(real, get_double(r))
    raise contradiction(bytes_in(r))


@cython.cfunc
def item_of(a: Attachment, r: Reader, pages: Any, readonly: cython.bint, before: Any) -> Any:
    """Return the next item, given those before it."""
    tag: u64 = get_number(r, 1)
    if tag in (ITEM_ARRAY, ITEM_VIEW):
        return array_or_view(r, pages, readonly, tag)
    if tag == ITEM_SAME:
        number: u64 = get_number(r, 1)
        if number >= cython.cast(u64, len(before)):
            raise contradiction(bytes_in(r))
        return before[number]
    if tag == ITEM_BUFFER:
        index: u64 = get_number(r, 4)
        return buffer_at(a, r, pages, index, get_number(r, 8))
    if tag == ITEM_BYTEARRAY:
        return bytearray(get_view(r, get_number(r, 8)))
    return scalar_of(r, tag)


@cython.cfunc
def array_or_view(r: Reader, pages: Any, readonly: cython.bint, tag: u64) -> Any:
    """Return the array or memoryview that follows its tag."""
    if cython.compiled:
        form: RawForm  # type: ignore  # noqa: F821
        f: ArrayForm = cython.address(form)  # type: ignore[attr-defined]  # noqa: F821
    else:
        f = ArrayForm()
    flags: u64 = get_number(r, 1)
    f.letter = get_number(r, 1)
    f.item_bytes = get_number(r, 1)
    f.n_sides = get_number(r, 1)
    f.is_writable = flags & IS_WRITABLE != 0 and not readonly
    is_inline: cython.bint = flags & IS_INLINE != 0
    index: u64 = 0 if is_inline else get_number(r, 4)
    first: u64 = 0 if is_inline else get_number(r, 8)
    n_bytes: u64 = read_sides(r, f, tag == ITEM_ARRAY)
    room: u64
    if is_inline:
        room = get_number(r, 8)
        # What a program could make longer must not be the owner.
        owner = memoryview(bytearray(get_view(r, room))) if f.is_writable else get_bytes(r, room)
    else:
        owner = shown_pages(r, pages, index)
        room = asked_of(owner)
    if tag == ITEM_VIEW:
        if first > room or n_bytes > room - first:
            raise contradiction(bytes_in(r))
        view = memoryview(owner) if is_inline else exported(owner, room)
        view = view[first : first + n_bytes]
        return typed_view(view if f.is_writable else view.toreadonly(), f)
    if n_bytes and not lies_within(f, first, room):
        raise contradiction(bytes_in(r))
    return array_at(owner, first if n_bytes else 0, f)


@cython.cfunc
def shown_pages(r: Reader, pages: Any, index: u64) -> Any:
    """Return what holds the pages with an index."""
    if index >= cython.cast(u64, len(pages)):
        raise contradiction(bytes_in(r))
    owner = pages[index]
    if asked_of(owner) > bytes_of_pages(owner):
        raise contradiction(bytes_in(r))
    return owner


@cython.cfunc
def read_sides(r: Reader, f: ArrayForm, has_strides: cython.bint) -> u64:
    """Read the sides, and the strides of an array; return how many bytes the items have."""
    if f.n_sides > MOST_SIDES or f.item_bytes == 0:
        raise contradiction(bytes_in(r))
    n_bytes: u64 = f.item_bytes
    for i in range(f.n_sides):
        f.sides[i] = get_signed(r)
        if f.sides[i] < 0:
            raise contradiction(bytes_in(r))
    for i in range(f.n_sides):
        if f.sides[i] == 0:
            n_bytes = 0
    for i in range(f.n_sides):
        if n_bytes and cython.cast(u64, f.sides[i]) > MOST_BYTES // n_bytes:
            raise contradiction(bytes_in(r))
        n_bytes *= f.sides[i]
    if has_strides:
        for i in range(f.n_sides):
            f.strides[i] = get_signed(r)
    return n_bytes


@cython.cfunc
def typed_view(view: Any, f: ArrayForm) -> Any:
    """Return a view of bytes as one of that form. Raises ValueError."""
    letter = chr(f.letter)
    shape: list[Any] = []
    for i in range(f.n_sides):
        shape.append(f.sides[i])
    try:
        return shaped_view(view, letter, shape)
    except TypeError as error:
        raise ValueError(f"the bytes are no view of the format {letter!r}: {error}") from error


@cython.cfunc
def buffer_at(a: Attachment, r: Reader, pages: Any, index: u64, n_bytes: u64) -> Any:
    """Return a new Buffer of that many bytes over the pages with an index."""
    owner = shown_pages(r, pages, index)
    if n_bytes > asked_of(owner):
        raise contradiction(bytes_in(r))
    n: u64 = bytes_of_pages(owner) >> a.page_bits
    return made_buffer(a, owner, node_of_pages(a, owner), n, n_bytes)


@cython.cfunc
def view_at(r: Reader, pages: Any, index: u64, start: u64, stop: u64, readonly: cython.bint) -> Any:
    """Return a view of bytes of the pages with an index."""
    owner = shown_pages(r, pages, index)
    if start > stop or stop > asked_of(owner):
        raise contradiction(bytes_in(r))
    view = exported(owner, stop)[start:]
    return view.toreadonly() if readonly else view
