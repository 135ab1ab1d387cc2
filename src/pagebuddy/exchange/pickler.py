"""ArenaPickler: sends buffers as handles where pickle would copy their bytes."""

from __future__ import annotations

from io import BytesIO
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

from pagebuddy.buffers.arrays import extent_of, short_dtype
from pagebuddy.buffers.bodies.words import SMALL
from pagebuddy.exchange.cargo import Cargo
from pagebuddy.exchange.out_of_band import ALIGNMENT, FORMATS, OutOfBand
from pagebuddy.exchange.remaking import as_it_is, remade_array, remade_view
from pagebuddy.sharing.joining.backing import room_for

if TYPE_CHECKING:
    from pagebuddy.buffers.bodies.body import Body
    from pagebuddy.buffers.unclaimed import Unclaimed


def body_of(
    arena: Any,
    thing: Any,
    unclaimed: Unclaimed,
    readonly: bool,
    kind: type[ArenaPickler] | None = None,
) -> Body:
    """Return the body of any object; tickets of buffers in other arenas are `unclaimed`'s.

    The pickler is of that kind, if another one than `ArenaPickler`.

    Raises what pickling raises, `OutOfPages` and `OutOfTickets`.
    """
    cargo = Cargo(arena._open, readonly)
    file = BytesIO()
    pickler = (kind or ArenaPickler)(arena, cargo, file)
    try:
        pickler.dump(thing)
        return cargo.pack(file.getvalue(), unclaimed)
    except BaseException:
        # The exception refers to both.
        pickler.clear_memo()
        cargo.drop()
        raise


class ArenaPickler(OutOfBand):
    """Pickles with protocol 5 everything that a process can be given; a `Cargo` takes the buffers.

    In addition to what types define themselves, a Buffer, a memoryview and an array in the arena,
    contiguous or not, are sent without a copy, and the arena is sent as its name.
    """

    def __init__(self, arena: Any, cargo: Cargo, file: Any) -> None:
        super().__init__(arena, file, cargo.take)
        self._cargo = cargo

    def placed(self, raws: list[memoryview]) -> list[PickleBuffer]:
        """Copy what is not in the arena, each run from a cache line on, into one buffer.

        It is not copied if it is too little to need a page. Raises `OutOfPages`.
        """
        outside = [len(raw) > 0 and not self.has(raw) for raw in raws]
        starts, end = [], 0
        for raw, copies in zip(raws, outside, strict=True):
            starts.append(end)
            end += -(-len(raw) // ALIGNMENT) * ALIGNMENT if copies else 0
        if end < SMALL:
            return super().placed(raws)
        view = room_for(self._cargo.a, end).view
        placed = []
        for raw, start, copies in zip(raws, starts, outside, strict=True):
            if copies:
                part = view[start : start + len(raw)]
                part[:] = raw
                raw = part.toreadonly()
            placed.append(raw)
        return super().placed(placed)

    def _buffer(self, buffer: Any) -> Any:
        return as_it_is, (self._cargo.announce(buffer, buffer.view),)

    def _view(self, view: memoryview) -> Any:
        # There is no way to make these again: a memoryview cannot be cast to them.
        empty = view.ndim > 1 and view.nbytes == 0
        if empty or not view.c_contiguous or view.format not in FORMATS:
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
        low, first, n_bytes = extent_of(array)
        place = cargo.found(array, low, n_bytes)
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
        return remade_array, (exported, short_dtype(np, kind), array.shape, strides, first)


def _copied_readonly(array: Any) -> Any:
    """Reduce a small array to its bytes: an array over `bytes` is read-only."""
    items = array.tobytes("A" if array.flags.forc else "C")
    order = array.strides if array.flags.forc else array[...].copy().strides
    return remade_array, (items, array.dtype, array.shape, order, 0)
