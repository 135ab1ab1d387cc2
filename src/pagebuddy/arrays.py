"""numpy arrays over pages. Without numpy everything else works."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def numpy() -> ModuleType:
    """Return numpy. Raises ImportError that says what to install."""
    try:
        import numpy as np
    except ImportError:
        raise ImportError(
            "arrays need numpy: pip install 'pagebuddy[numpy]'; "
            "without it use a buffer's view, which is a memoryview"
        ) from None
    return np


def checked_dtype(dtype: Any) -> Any:
    """Return a numpy dtype whose items are bytes and nothing else.

    Raises TypeError for one with Python objects: another process could not follow their addresses.
    """
    kind = numpy().dtype(dtype)
    if kind.hasobject:
        raise TypeError(
            f"dtype is {dtype!r}; items that are Python objects cannot live in an arena: "
            "use numbers, fixed-size text, or a structure of these"
        )
    return kind


def array_over(pages: Any, n_bytes: int, shape: Any, dtype: Any, order: str) -> Any:
    """Return an array over the first n_bytes of what exports pages, by default all whole items."""
    kind = checked_dtype(dtype)
    if shape is None:
        shape = n_bytes // max(kind.itemsize, 1)
    array = numpy().ndarray(shape, kind, buffer=pages, order=order)
    if array.nbytes > n_bytes:
        raise ValueError(
            f"shape {shape} of {kind} is {array.nbytes} bytes; the buffer has {n_bytes}"
        )
    return array


def pages_of(array: Any) -> Any:
    """Return what an array, or whatever it was made from, has its bytes from in the end."""
    owner = array
    while True:
        if isinstance(owner, memoryview):
            owner = owner.obj
        elif getattr(owner, "base", None) is not None:
            owner = owner.base
        else:
            return owner
