"""OutOfBand: a pickler that gives arrays, views and Buffers to methods of its own."""

from __future__ import annotations

import copyreg
import sys
from multiprocessing.reduction import ForkingPickler
from pickle import PickleBuffer, Pickler
from typing import TYPE_CHECKING, Any

from pagebuddy.pickled import name_of
from pagebuddy.sharing.joining.attaching import place_of
from pagebuddy.sharing.joining.passing import arena_found

if TYPE_CHECKING:
    from collections.abc import Callable

# How instances of exactly these classes are pickled. Adapters add functions, which are given the pickler
# and the instance, and return what `__reduce__` would, or NotImplemented.
REDUCERS: dict[type, Callable[[OutOfBand, Any], Any]] = {}

# So that no item of an array, and no vector register that a library uses, crosses a cache line.
ALIGNMENT = 64

# The formats of the module struct to which a memoryview can be cast.
FORMATS = frozenset("cbB?hHiIlLqQnNfdP")


class OutOfBand(Pickler):
    """Pickles with protocol 5. What a receiver gets of an arena that it has is the arena itself.

    Subclasses define `_buffer`, `_view` and `_array`, which reduce such an object or return
    NotImplemented, and `take`, which is given each buffer.
    """

    def __init__(self, arena: Any, file: Any, take: Any) -> None:
        super().__init__(file, 5, buffer_callback=take)
        # That of a ForkingPickler, without the three calls that making one takes.
        registered = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
        self.dispatch_table = copyreg.dispatch_table | registered
        self._arena = arena

    def reducer_override(self, thing: Any) -> Any:
        """Reduce the objects that are pickled in another way than their type defines."""
        kind = type(thing)
        if kind is self._arena._engine.Buffer:
            return self._buffer(thing)
        if kind is memoryview:
            return self._view(thing)
        np = sys.modules.get("numpy")
        if np is not None and kind is np.ndarray:
            return self._array(np, thing)
        if kind is type(self._arena) and thing._attachment is self._arena._attachment:
            a = self._arena._open
            return arena_found, (name_of(kind), a.layout.arena_id, place_of(a), None)
        reduced = REDUCERS.get(kind)
        return NotImplemented if reduced is None else reduced(self, thing)

    def has(self, raw: memoryview) -> bool:
        """Whether bytes lie in the arena."""
        a = self._arena._open
        base, n_bytes = a.extent
        return bool(base <= a.address_of(raw) < base + n_bytes)

    def placed(self, raws: list[memoryview]) -> list[PickleBuffer]:
        """Return bytes as this takes them best; raises `OutOfPages` if they do not fit in the arena."""
        return [PickleBuffer(raw) for raw in raws]

    def _buffer(self, buffer: Any) -> Any:
        raise NotImplementedError

    def _view(self, view: memoryview) -> Any:
        raise NotImplementedError

    def _array(self, np: Any, array: Any) -> Any:
        raise NotImplementedError
