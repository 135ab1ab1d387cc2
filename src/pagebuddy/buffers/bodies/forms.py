"""ArrayForm: what the bytes of an array or a view mean, and where they are.

Compiled, it is a struct, which numpy's C API fills in `_numpy`. Without that extension numpy's objects
are asked, as uncompiled.
"""

import sys
from contextlib import suppress
from functools import cache
from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    import ctypes

    from pagebuddy.buffers.arrays import numpy
    from pagebuddy.buffers.bodies.words import MOST_SIDES
    from pagebuddy.buffers.bodies.writing import Writer, put_bytes
    from pagebuddy.buffers.buffer import exported
    from pagebuddy.buffers.pages import bytes_of_pages
    from pagebuddy.core.words import i64, u64


def letter_of(kind: Any) -> int:
    """Return the letter of a dtype of plain numbers; 0 for another dtype.

    >>> import numpy as np
    >>> letter_of(np.dtype("i4")), letter_of(np.dtype(">i4"))
    (105, 0)
    """
    # Any other has an object of its own, also one that differs only in its metadata.
    is_plain = kind.kind in "biufc" and numpy().dtype(kind.str) is kind
    return ord(kind.kind) if is_plain else 0


@cache
def kind_of(letter: int, item_bytes: int) -> Any:
    """Return the dtype of numbers of that kind. Raises ValueError if there is none."""
    if chr(letter) in "biufc":
        with suppress(TypeError):
            kind = numpy().dtype(f"{chr(letter)}{item_bytes}")
            if letter_of(kind) == letter and kind.itemsize == item_bytes:
                return kind
    raise ValueError(f"no numbers have the letter {chr(letter)!r} and {item_bytes} bytes")


if not cython.compiled:

    class ArrayForm:
        """Where an array or a view is, and what its bytes mean."""

        def __init__(self) -> None:
            # The address of the first item, and the object that is asked for the pages.
            self.address = 0
            self.owner: Any = None
            # The kind of numbers as numpy's letter, or the format of a view.
            self.letter = 0
            self.item_bytes = 1
            self.is_writable = False
            # Whether the items are in the order C, or in the order Fortran, without gaps.
            self.is_c = True
            self.is_f = False
            self.n_sides = 0
            self.sides = [0] * MOST_SIDES
            self.strides = [0] * MOST_SIDES

    class _Exported(ctypes.Structure):
        """A `Py_buffer`, as CPython's stable interface defines it."""

        _fields_ = (
            ("start", ctypes.c_void_p),
            ("owner", ctypes.py_object),
            ("n_bytes", ctypes.c_ssize_t),
            ("item_bytes", ctypes.c_ssize_t),
            ("readonly", ctypes.c_int),
            ("n_sides", ctypes.c_int),
            ("format", ctypes.c_char_p),
            ("shape", ctypes.c_void_p),
            ("strides", ctypes.c_void_p),
            ("suboffsets", ctypes.c_void_p),
            ("internal", ctypes.c_void_p),
        )

    _take = ctypes.pythonapi.PyObject_GetBuffer
    _take.argtypes = [ctypes.py_object, ctypes.POINTER(_Exported), ctypes.c_int]
    _give = ctypes.pythonapi.PyBuffer_Release
    _give.argtypes = [ctypes.POINTER(_Exported)]
    _give.restype = None

    def address_of_view(view: Any) -> int:
        """Return the address of the first byte of an object that exports contiguous bytes.

        >>> bytes_there = memoryview(b"hello")
        >>> address_of_view(bytes_there[2:]) - address_of_view(bytes_there)
        2
        """
        exported_bytes = _Exported()
        _take(view, exported_bytes, 0)
        try:
            return exported_bytes.start or 0
        finally:
            _give(exported_bytes)

    def is_described(thing: Any, f: ArrayForm) -> bool:
        """Fill in the form of an array of plain numbers; return False for anything else."""
        return is_described_slowly(thing, f)

    def put_items(w: Writer, thing: Any, f: ArrayForm, n_bytes: int) -> None:
        """Add the items of an array."""
        put_bytes(w, thing.tobytes("A"))

    def array_at(owner: Any, first: int, f: ArrayForm) -> Any:
        """Return an array of that form, whose first item is at that byte of an object."""
        return array_slowly(owner, first, f)


@cython.cfunc
def is_described_slowly(thing: Any, f: ArrayForm) -> cython.bint:
    """`is_described`, by numpy's objects."""
    np = sys.modules.get("numpy")
    if np is None or type(thing) is not getattr(np, "ndarray", None):
        return False
    kind = thing.dtype
    f.letter = letter_of(kind)
    if not f.letter or thing.ndim > MOST_SIDES:
        return False
    f.address = thing.__array_interface__["data"][0]
    f.item_bytes = kind.itemsize
    flags = thing.flags
    f.is_writable, f.is_c, f.is_f = flags.writeable, flags.c_contiguous, flags.f_contiguous
    shape, strides = thing.shape, thing.strides
    f.n_sides = len(shape)
    for i in range(len(shape)):
        f.sides[i] = shape[i]
        f.strides[i] = strides[i]
    return True


@cython.cfunc
def array_slowly(owner: Any, first: u64, f: ArrayForm) -> Any:
    """`array_at`, by numpy's objects."""
    kind = kind_of(f.letter, f.item_bytes)
    shape: list[Any] = []
    strides: list[Any] = []
    for i in range(f.n_sides):
        shape.append(f.sides[i])
        strides.append(f.strides[i])
    is_held: cython.bint = type(owner) is not bytes and type(owner) is not memoryview
    view: Any = exported(owner, bytes_of_pages(owner)) if is_held else memoryview(owner)
    if not f.is_writable:
        view = view.toreadonly()
    return numpy().ndarray(shape, kind, view, first, strides)


@cython.cfunc
def set_contiguous(f: ArrayForm, is_fortran: cython.bint) -> cython.void:
    """Set the strides to those of a new array in the order Fortran, or C."""
    step: i64 = f.item_bytes
    for k in range(f.n_sides):
        i = k if is_fortran else f.n_sides - 1 - k
        f.strides[i] = step
        step *= f.sides[i]


@cython.cfunc
def n_bytes_of(f: ArrayForm) -> u64:
    """Return how many bytes the items have."""
    n: u64 = f.item_bytes
    for i in range(f.n_sides):
        n *= f.sides[i]
    return n


@cython.cfunc
def bytes_before(f: ArrayForm) -> u64:
    """Return how many bytes of an array with items are before its first one."""
    n: u64 = 0
    for i in range(f.n_sides):
        if f.strides[i] < 0:
            n += -f.strides[i] * (f.sides[i] - 1)
    return n


@cython.cfunc
def bytes_covered(f: ArrayForm) -> u64:
    """Return how many bytes there are from the first byte of an array with items to its last."""
    n: u64 = f.item_bytes
    for i in range(f.n_sides):
        step: i64 = f.strides[i]
        n += (step if step >= 0 else -step) * (f.sides[i] - 1)
    return n


@cython.cfunc
def lies_within(f: ArrayForm, first: u64, n_bytes: u64) -> cython.bint:
    """Whether all items lie within so many bytes, if the first one is at that byte.

    The numbers may be anything.
    """
    low: u64 = first
    if first > n_bytes or n_bytes - first < f.item_bytes:
        return False
    # What is left behind the first item.
    room: u64 = n_bytes - first - f.item_bytes
    for i in range(f.n_sides):
        last: u64 = f.sides[i] - 1
        step: i64 = f.strides[i]
        stride: u64 = cython.cast(u64, step)
        if step < 0:
            stride = 0 - stride
        if last and stride:
            most: u64 = (room if step > 0 else low) // stride
            if last > most:
                return False
            if step > 0:
                room -= last * stride
            else:
                low -= last * stride
    return True
