"""What arenas do with numpy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pagebuddy.buffers.arrays import numpy, pages_of

if TYPE_CHECKING:
    from pagebuddy.buffers.buffer import Buffer


class ArenaArrays:
    """The part of `Arena` that makes arrays, and finds the buffers behind them."""

    @property
    def _open(self) -> Any:
        """The attachment, unless it was closed."""
        raise NotImplementedError

    def empty(self, shape: Any, dtype: Any = float, order: str = "C") -> Any:
        """Return a numpy array in the arena, its items being whatever was there before.

        The pages go back when its last view dies, in this process and in all others. Raises TypeError
        for a dtype of Python objects, ImportError without numpy, and what `alloc` raises. Cost: under
        1 µs with its end.

        >>> from pagebuddy import Arena
        >>> Arena("1 MiB").empty((2, 3), "i4").shape
        (2, 3)
        """
        return self._open.array(shape, dtype, order, False)

    def zeros(self, shape: Any, dtype: Any = float, order: str = "C") -> Any:
        """Return a numpy array of zeros; see `empty`.

        Cost: pages that were used before are overwritten; those that were not stay untouched.

        >>> from pagebuddy import Arena
        >>> Arena("1 MiB").zeros(3).tolist()
        [0.0, 0.0, 0.0]
        """
        return self._open.array(shape, dtype, order, True)

    def full(self, shape: Any, value: Any, dtype: Any = None, order: str = "C") -> Any:
        """Return a numpy array filled with a value, whose dtype it has unless told; see `empty`.

        >>> from pagebuddy import Arena
        >>> Arena("1 MiB").full((2, 2), 7).tolist()
        [[7, 7], [7, 7]]
        """
        np = numpy()
        kind = np.asarray(value).dtype if dtype is None else dtype
        array = self._open.array(shape, kind, order, False, True)
        array[...] = value
        return array

    def copy(self, array: Any) -> Any:
        """Return a copy in the arena of an array: its shape, dtype, order, items; see `empty`.

        >>> from pagebuddy import Arena
        >>> Arena("1 MiB").copy([[1, 2], [3, 4]]).sum(axis=0).tolist()
        [4, 6]
        """
        np = numpy()
        given = np.asanyarray(array)
        order = "F" if given.flags.f_contiguous and not given.flags.c_contiguous else "C"
        copied = self._open.array(given.shape, given.dtype, order, False, True)
        copied[...] = given
        return copied

    def buffer_of(self, array: Any) -> Buffer:
        """Return a buffer for the pages that an array, or a view of one, lies in.

        Raises ValueError for an array that is none of this arena's.

        >>> from pagebuddy import Arena
        >>> arena = Arena("1 MiB")
        >>> array = arena.empty(1000)
        >>> arena.buffer_of(array[5:10]).nbytes
        8000
        """
        buffer = self._open.buffer_over(pages_of(array))
        if buffer is None:
            raise ValueError(
                "the array is none of this arena's; make it by arena.empty, or copy it by arena.copy"
            )
        return buffer  # type: ignore[no-any-return]
