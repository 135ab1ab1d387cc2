"""ArenaPickler: sends buffers as handles where pickle would copy their bytes."""

from __future__ import annotations

import copyreg
import sys
from multiprocessing.reduction import ForkingPickler
from pickle import PickleBuffer, Pickler
from typing import Any

from pagebuddy.exchange.cargo import SMALL, Cargo
from pagebuddy.exchange.remaking import as_it_is, remade_array, remade_view
from pagebuddy.pickled import name_of
from pagebuddy.sharing.joining.attaching import place_of
from pagebuddy.sharing.joining.backing import room_for
from pagebuddy.sharing.joining.passing import arena_found


class ArenaPickler(Pickler):
    """Pickles with protocol 5 everything that a process can be given; a `Cargo` takes the buffers.

    In addition to what types define themselves, a Buffer, a memoryview and an array in the arena,
    contiguous or not, are sent without a copy, and the arena is sent as its name.
    """

    def __init__(self, arena: Any, cargo: Cargo, file: Any) -> None:
        super().__init__(file, 5, buffer_callback=cargo.take)
        # That of a ForkingPickler, without the three calls that making one takes.
        self.dispatch_table = copyreg.dispatch_table | _registered()
        self._arena = arena
        self._cargo = cargo

    def reducer_override(self, thing: Any) -> Any:
        """Reduce the objects that are sent in another way than their type defines."""
        kind = type(thing)
        if kind is self._arena._engine.Buffer:
            return as_it_is, (self._cargo.announce(thing, thing.view),)
        if kind is memoryview:
            return self._view(thing)
        np = sys.modules.get("numpy")
        if np is not None and kind is np.ndarray:
            return self._array(np, thing)
        if kind is type(self._arena) and thing._attachment is self._cargo.a:
            # The receiver has this arena.
            a = self._cargo.a
            return arena_found, (name_of(kind), a.layout.arena_id, place_of(a), None)
        return NotImplemented

    def _view(self, view: memoryview) -> Any:
        # There is no way to make these again: a memoryview cannot be cast to them.
        empty = view.ndim > 1 and view.nbytes == 0
        if empty or not view.c_contiguous or view.format not in _FORMATS:
            return NotImplemented
        sent = view.toreadonly() if self._cargo.readonly else view
        return remade_view, (PickleBuffer(sent), view.format, view.shape)

    def _array(self, np: Any, array: Any) -> Any:
        """Send arrays out of band, also those that numpy would pickle as a copy of their items."""
        kind = array.dtype
        if kind.hasobject or array.nbytes == 0:
            return NotImplemented
        cargo = self._cargo
        if (
            array.nbytes < SMALL
            and array.flags.forc
            and kind.kind not in "mM"
            and not cargo.readonly
        ):
            # numpy itself sends these out of band.
            return NotImplemented
        low = array.__array_interface__["data"][0]
        first = 0
        n_bytes = kind.itemsize
        for side, stride in zip(array.shape, array.strides, strict=True):
            first += max(-stride * (side - 1), 0)
            n_bytes += abs(stride) * (side - 1)
        place = cargo.found(array, low - first, n_bytes)
        strides = array.strides
        if place is None:
            if array.nbytes < SMALL:
                return _copied_readonly(array) if cargo.readonly else NotImplemented
            buffer = room_for(cargo.a, array.nbytes)
            order = "F" if array.flags.fnc else "C"
            copy = np.ndarray(array.shape, kind, buffer.view, 0, None, order)
            copy[...] = array
            place, strides, first, n_bytes = (buffer, 0), copy.strides, 0, array.nbytes
        buffer, start = place
        if start + n_bytes > buffer.nbytes:
            return NotImplemented
        view = buffer.view[start : start + n_bytes]
        if not array.flags.writeable:
            view = view.toreadonly()
        exported = cargo.announce(buffer, view, start, n_bytes)
        # A short text: pickling a dtype object takes longer than everything else.
        told = kind.str if np.dtype(kind.str) is kind else kind
        return remade_array, (exported, told, array.shape, strides, first)


def _copied_readonly(array: Any) -> Any:
    """Reduce a small array to its bytes: an array over `bytes` is read-only."""
    items = array.tobytes("A" if array.flags.forc else "C")
    order = array.strides if array.flags.forc else array[...].copy().strides
    return remade_array, (items, array.dtype, array.shape, order, 0)


def _registered() -> dict[type, Any]:
    """The reductions that `ForkingPickler.register` was given so far."""
    return ForkingPickler._extra_reducers  # type: ignore[attr-defined, no-any-return]


# The formats of the module struct to which a memoryview can be cast.
_FORMATS = frozenset("cbB?hHiIlLqQnNfdP")
