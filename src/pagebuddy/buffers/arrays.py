"""numpy arrays over pages. numpy is imported on first use; everything else works without it."""

import sys
from functools import cache
from typing import Any

from pagebuddy.arguments import whole


@cache
def numpy() -> Any:
    """Return numpy. Raises ImportError, which says what to install."""
    try:
        import numpy as np
    except ImportError:
        raise ImportError(
            "arrays need numpy: pip install 'pagebuddy[numpy]'; "
            "without it use a buffer's view, which is a memoryview"
        ) from None
    from pagebuddy.buffers.forking_pickler import teach

    teach()
    return np


def checked_dtype(dtype: Any) -> Any:
    """Return a numpy dtype that contains no Python objects.

    Raises TypeError otherwise: the address of an object means nothing in another process.
    """
    kind = numpy().dtype(dtype)
    if kind.hasobject:
        raise TypeError(
            f"dtype is {dtype!r}; Python objects cannot live in an arena: "
            "use numbers, fixed-size text, or a structure of these; arena.dumps takes any object"
        )
    # numpy too makes room for a character if the length of text is not given.
    return numpy().dtype(f"{kind.char}1") if kind.itemsize == 0 and kind.char in "SU" else kind


def extent_of(array: Any) -> Any:
    """Return the lowest address of an array, where from there its first item is, and how long it is.

    In bytes; for an array with at least one item.

    >>> import numpy as np
    >>> extent_of(np.zeros((2, 3), "u1")[:, ::-2])[1:]
    (2, 6)
    """
    first = 0
    n_bytes = array.itemsize
    for side, stride in zip(array.shape, array.strides, strict=True):
        first += max(-stride * (side - 1), 0)
        n_bytes += abs(stride) * (side - 1)
    return array.__array_interface__["data"][0] - first, first, n_bytes


def short_dtype(np: Any, kind: Any) -> Any:
    """Return the text of a dtype if it says all, else the dtype.

    Pickling a dtype object takes longer than the rest of a small array.
    """
    return kind.str if np.dtype(kind.str) is kind else kind


def shaped_view(view: Any, kind: Any, shape: Any) -> Any:
    """Return a view of bytes as one of that format and shape. Raises TypeError."""
    if len(shape) == 1:
        # `cast` refuses a shape without items.
        return view if kind == "B" else view.cast(kind)
    return view.cast(kind, shape)


def sides_and_bytes(shape: Any, kind: Any) -> Any:
    """Return a shape as a tuple, and the bytes of an array of this shape and dtype.

    Raises TypeError and ValueError.

    >>> import numpy as np
    >>> sides_and_bytes((2, 3), np.dtype("i4")), sides_and_bytes(5, np.dtype("u1"))
    (((2, 3), 24), ((5,), 5))
    """
    if type(shape) is int:
        shape = (shape,)
    elif type(shape) is not tuple:
        shape = tuple(shape) if numpy().iterable(shape) else (shape,)
    n_bytes = kind.itemsize
    for side in shape:
        # A quick test before the careful check: every array takes this path.
        if type(side) is not int or side < 0:
            side = whole(side, "a side of shape")
        n_bytes *= side
    return shape, n_bytes


def array_of(pages: Any, shape: Any, kind: Any, order: Any) -> Any:
    """Return an array over an object that exports pages. numpy checks that they are enough."""
    # By position: with keywords numpy takes twice as long.
    return numpy().ndarray(shape, kind, pages, 0, None, order)


def array_over(pages: Any, n_bytes: Any, shape: Any, checked: Any, kind: Any, order: Any) -> Any:
    """Return an array over the first n_bytes of pages, given the checked dtype of its items.

    `checked` is `sides_and_bytes` of the shape. If the shape is None, as many items as fit.
    """
    if shape is None:
        shape = n_bytes // max(kind.itemsize, 1)
        checked = sides_and_bytes(shape, kind)
    sides, asked = checked
    if asked > n_bytes:
        raise ValueError(f"shape {shape} of {kind} is {asked} bytes; the buffer has {n_bytes}")
    return array_of(pages, sides, kind, order)


def own_bytes(owner: Any) -> Any:
    """Return the address and the size of an array that owns its memory; None for anything else."""
    np = sys.modules.get("numpy")
    if np is None or not isinstance(owner, np.ndarray):
        return None
    # A subclass may define these otherwise.
    kind = np.ndarray
    if not kind.flags.__get__(owner).owndata or kind.dtype.__get__(owner).hasobject:
        return None
    address, _ = kind.__array_interface__.__get__(owner)["data"]
    return address, kind.nbytes.__get__(owner)


def pages_of(array: Any) -> Any:
    """Return the object that owns the bytes of an array or view, however many views are between."""
    owner = array
    while True:
        if isinstance(owner, memoryview):
            owner = owner.obj
        elif getattr(owner, "base", None) is not None:
            owner = owner.base
        else:
            return owner
