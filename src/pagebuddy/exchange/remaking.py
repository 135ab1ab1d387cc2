"""The functions that pickles with buffers call to make objects over these buffers."""

from __future__ import annotations

from typing import Any

from pagebuddy.buffers.arrays import shaped_view
from pagebuddy.pickled import permanent


@permanent
def as_it_is(arrived: Any) -> Any:
    """Return the Buffer that arrived."""
    return arrived


@permanent
def remade_view(arrived: Any, kind: str, shape: tuple[int, ...]) -> memoryview:
    """Return a memoryview of that format and shape."""
    return shaped_view(memoryview(arrived), kind, shape)  # type: ignore[no-any-return]


@permanent
def remade_array(
    arrived: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], first: int
) -> Any:
    """Return an array with the memory layout of the original; its first item is at byte `first`."""
    import numpy as np

    return np.ndarray(shape, dtype, arrived, first, strides)
