"""What a pickle that came with its buffers calls to make objects over them."""

from __future__ import annotations

from typing import Any

from pagebuddy.pickled import permanent


@permanent
def as_it_is(arrived: Any) -> Any:
    """Return what arrived: a Buffer, which travels as itself."""
    return arrived


@permanent
def remade_view(arrived: Any, kind: str, shape: tuple[int, ...]) -> memoryview:
    """Return a memoryview of that format and shape."""
    view = memoryview(arrived)
    if len(shape) == 1:
        # A shape without items is none that it takes.
        return view if kind == "B" else view.cast(kind)  # type: ignore[call-overload]
    return view.cast(kind, shape)  # type: ignore[call-overload, no-any-return]


@permanent
def remade_array(
    arrived: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], first: int
) -> Any:
    """Return an array whose items lie as they lay, the first of them so many bytes from the start."""
    import numpy as np

    return np.ndarray(shape, dtype, arrived, first, strides)
