"""Arrays of page numbers: numpy arrays if numpy is installed, else `array("Q")`."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from pagebuddy.arguments import LAST_PAGE, whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy import uint64
    from numpy.typing import NDArray


def new_vector(count: int) -> NDArray[uint64] | array[int]:
    """Return an array for count page numbers: of numpy's uint64, or an `array("Q")`."""
    try:
        import numpy as np
    except ImportError:
        return array("Q", bytes(8 * count))
    return np.zeros(count, np.uint64)


def words_of_vector(vector: Any, *, writable: bool = False) -> memoryview | None:
    """Return the words of a contiguous buffer of unsigned 64-bit integers; None for anything else."""
    try:
        view = memoryview(vector)
    except (TypeError, ValueError):
        # ValueError: an array whose items a buffer cannot have, dates for example.
        return None
    fits = view.format in ("Q", "L", "@Q", "=Q", "<Q", "@L") and view.itemsize == 8
    if not fits or view.ndim != 1 or not view.c_contiguous or (writable and view.readonly):
        return None
    return view.cast("B").cast("Q") if len(view) else memoryview(array("Q"))


def words_from(pages: Iterable[int], name: str) -> memoryview:
    """Return page numbers as words of our own, which no other thread or process can change.

    Raises TypeError for a value that is not an integer, ValueError for one that is not a page number.
    """
    words = words_of_vector(pages)
    if words is not None:
        own = array("Q")
        own.frombytes(words.cast("B"))
        return memoryview(own)
    numbers = [whole(page, name, most=LAST_PAGE) for page in pages]
    return memoryview(array("Q", numbers))
