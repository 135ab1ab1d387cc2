"""The address of an object's bytes, which says whether they lie in an arena."""

from __future__ import annotations

import ctypes
from typing import Any

_SIMPLE = 0


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


def address_of(view: Any) -> int:
    """Return the address of the first byte of an object that exports contiguous bytes.

    >>> bytes_there = memoryview(b"hello")
    >>> address_of(bytes_there[2:]) - address_of(bytes_there)
    2
    """
    exported = _Exported()
    _take(view, exported, _SIMPLE)
    try:
        return exported.start or 0
    finally:
        _give(exported)
