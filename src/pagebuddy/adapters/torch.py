"""torch: a DataLoader whose batches are built in an arena, and tensors that are sent as handles.

A worker collates large tensors straight into the arena, and packs what remains of a batch into one
buffer. It sends one message: the pickle of the batch without its tensors, and handles of the buffers.
"""

from __future__ import annotations

import os
import pickle
import threading
from contextlib import suppress
from io import BytesIO
from multiprocessing.reduction import ForkingPickler
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet, finalize

from pagebuddy.arena.arena import Arena
from pagebuddy.arena.fallbacks import Fallbacks
from pagebuddy.buffers.bodies.words import SMALL
from pagebuddy.buffers.forking_pickler import attached_around, sends_handles, teach, tied_handle
from pagebuddy.exchange.delivery import load
from pagebuddy.exchange.dumping import dump
from pagebuddy.exchange.finder import Finder
from pagebuddy.exchange.out_of_band import OutOfBand
from pagebuddy.exchange.remaking import as_it_is
from pagebuddy.pickled import permanent
from pagebuddy.sharing.joining.attaching import known_by_id
from pagebuddy.sharing.joining.passing import arena_found, descriptor_of
from pagebuddy.sharing.joining.sending import claim
from pagebuddy.sharing.words import TIED

OLDEST = (2, 2)

try:
    import torch
    import torch.multiprocessing  # registers torch's own reducers
    from torch.nn.parameter import Parameter
    from torch.utils.data import DataLoader as TorchDataLoader
    from torch.utils.data._utils import collate as torch_collate
except ImportError as error:
    raise ImportError(f"{error}; install it with: pip install 'pagebuddy[torch]'") from error

if tuple(map(int, torch.__version__.split("+")[0].split(".")[:2])) < OLDEST:
    raise ImportError(
        f"pagebuddy.adapters.torch supports torch 2.2 and later; this is torch {torch.__version__}; "
        "install another with: pip install 'pagebuddy[torch]'"
    )

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.utils.data import Dataset

__all__ = ["DataLoader", "fallbacks"]

_T = TypeVar("_T", covariant=True)

fallbacks = Fallbacks("pagebuddy.adapters.torch")
"""How often torch's own method was used instead, by reason. Those of workers are counted here too."""

# Collated tensors of so many bytes have a buffer of their own; the others of a batch share one.
_LARGE = 65536
# Of 1024 slots, one is not for processes.
_MOST_SLOTS = 1024


class DataLoader(TorchDataLoader[_T]):
    """torch's `DataLoader`, whose workers build their batches in an arena.

    Takes the same arguments as `torch.utils.data.DataLoader`, yields the same batches and raises the
    same errors. The tensors of a batch use the pages that the worker wrote: nothing is copied on the
    way. They can be written to, and keep their pages allocated as long as they exist, also when the
    loader is gone.

    Parameters
    ----------
    dataset : Dataset
        What batches are made of.
    *args, **kwargs
        All other arguments of torch's, and passed to it.
    arena : Arena, optional
        Where batches are built. By default an anonymous arena of half of the machine's memory, of which
        only used pages take memory. It is made for the first iteration with workers, and its memory is
        freed with the loader and the last batch.

    Raises
    ------
    TypeError
        If `arena` is not an `Arena`.
    Exception
        All that torch's `DataLoader` raises.

    Notes
    -----
    A batch that does not fit in the arena, or cannot be sent through it, is sent by torch's own method.
    This is logged once, and ``pagebuddy.adapters.torch.fallbacks.counts`` says how often it happened.
    With ``num_workers=0`` this is torch's `DataLoader`.

    Examples
    --------
    >>> import torch
    >>> from pagebuddy.adapters.torch import DataLoader
    >>> images = torch.rand(8, 3, 64, 64)
    >>> for batch in DataLoader(images, batch_size=4, num_workers=1):
    ...     print(tuple(batch.shape))
    (4, 3, 64, 64)
    (4, 3, 64, 64)
    """

    # What a copy of a loader does not share with it.
    _own_arena: Arena | None = None
    _iterators: WeakSet[Any] | None = None

    def __init__(
        self, dataset: Dataset[_T], *args: Any, arena: Arena | None = None, **kwargs: Any
    ) -> None:
        if arena is not None and not isinstance(arena, Arena):
            raise TypeError(f"arena is {arena!r}; it must be an Arena, or None")
        super().__init__(dataset, *args, **kwargs)
        self._given_arena = arena

    @property
    def arena(self) -> Arena | None:
        """The arena in which batches are built; None before the first iteration with workers."""
        return self._own_arena if self._given_arena is None else self._given_arena

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_own_arena": None, "_iterators": None}

    def _get_iterator(self) -> Any:
        arena = self._arena_to_use() if self.num_workers > 0 else None
        if arena is None:
            return super()._get_iterator()
        # Not `copy.copy`: a subclass may pickle something else.
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.__dict__["collate_fn"] = _Collate(self.collate_fn, arena)
        iterator = TorchDataLoader._get_iterator(copy)
        if self._given_arena is None:
            self._iterators = self._iterators or WeakSet()
            self._iterators.add(iterator)
            finalize(iterator, _end_unclaimed, arena, self._iterators, os.getpid()).atexit = False
        return iterator

    def _arena_to_use(self) -> Arena | None:
        """Return an `Arena` for an iteration, which the caller cannot close; None if there is none."""
        try:
            if self._given_arena is None and self._own_arena is None:
                size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
                # Each worker may have children, and there may be several iterators.
                slots = min(48 + 4 * self.num_workers, _MOST_SLOTS)
                self._own_arena = Arena(size, slots=slots)
            a = self.arena._open  # type: ignore[union-attr]
            if not a.medium.shared:
                raise ValueError("it is of one process alone")
            return Arena._of(a)
        except Exception as error:
            _count(error, "the arena cannot be used, and batches are sent as torch does")
            return None


def _end_unclaimed(arena: Arena, iterators: WeakSet[Any], pid: int) -> None:
    """Free what workers sent that nobody received: an iteration was left early."""
    if os.getpid() == pid and all(iterator._shutdown for iterator in iterators):
        with suppress(Exception):
            arena.reap(unclaimed_after=0)


def _count(error: Exception, message: str) -> None:
    fallbacks.count(type(error).__name__, f"{message}: {error}")


# -- in a worker: building a batch -----------------------------------------------------------------


class _Building(threading.local):
    """The batch that a thread of a worker builds now, if any."""

    batch: _Batch | None = None


_building = _Building()


class _Collate:
    """A `collate_fn` that builds what another one returns in an arena, and returns its message."""

    def __init__(self, collate_fn: Any, arena: Arena | None) -> None:
        self._collate_fn = collate_fn
        self._arena = arena

    def __reduce__(self) -> Any:
        # A worker that cannot attach to the arena works without.
        a = self._arena._open if self._arena is not None else None
        return collate_in_worker, (self._collate_fn, None if a is None else descriptor_of(a))

    def __call__(self, samples: Any) -> Any:
        if self._arena is None:
            return _Sent(
                fallback_counted,
                self._collate_fn(samples),
                "no arena",
                "a worker could not attach to it",
            )
        _teach_collate()
        _building.batch = batch = _Batch(self._arena)
        try:
            data = self._collate_fn(samples)
        finally:
            _building.batch = None
        try:
            return batch.packed(data)
        except Exception as error:
            reason = type(error).__name__
            return _Sent(
                fallback_counted,
                data,
                reason,
                f"a batch could not be sent through the arena: {error}",
            )
        finally:
            batch.drop()


@permanent
def collate_in_worker(collate_fn: Any, place: Any) -> _Collate:
    """Return the `_Collate` of a worker that was spawned."""
    try:
        return _Collate(collate_fn, arena_found("Arena", *place))
    except Exception:
        return _Collate(collate_fn, None)


class _Batch:
    """A batch that is being built: the buffers that were made for it, and then its message."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        # By the address of their storage, which is that of the buffer.
        self._collated: dict[int, memoryview] = {}
        self._failure: Exception | None = None
        self._parts: list[Any] = []
        self._rows: list[Any] = []

    def drop(self) -> None:
        """Refer to no buffer any more: from now on the message alone holds them."""
        self._collated.clear()
        self._parts.clear()
        self._failure = None

    def empty(self, size: tuple[int, ...], dtype: torch.dtype, n_bytes: int) -> Any:
        """Return an uninitialised tensor in a buffer of its own; None if there is no room."""
        try:
            view = self._arena.alloc(n_bytes).view
        except Exception as error:
            self._failure = error
            return None
        tensor = torch.frombuffer(view, dtype=dtype).view(size)
        self._collated[tensor.data_ptr()] = view
        return tensor

    def packed(self, data: Any) -> Any:
        """Return the message of a batch; the batch itself if it contains nothing to put in an arena.

        Raises what pickling raises, `OutOfPages` and `OutOfTickets`.
        """
        if self._failure is not None:
            raise self._failure
        file = BytesIO()
        pickler = _Pickler(self._arena, file)
        try:
            pickler.dump(data)
            things = pickler.things
            if not things:
                return data
            self._place(things)
        finally:
            # An exception refers to both.
            pickler.clear_memo()
            pickler.things = []
        thing = file.getvalue(), pickle.dumps(self._rows, 5), self._parts
        a = self._arena._open
        return _Sent(batch_of_message, a.layout.arena_id, dump(self._arena, thing, life_ms=TIED))

    def _place(self, things: list[Any]) -> None:
        """Find or make a place in the arena for each tensor.

        Sets the parts of the message, and for each thing either the index of its part, or what makes a
        tensor of it.
        """
        a = self._arena._open
        base, n_bytes = a.extent
        finder = Finder(a)
        parts_of: dict[int, int] = {}
        loose: dict[int, list[int]] = {}
        self._rows = [None] * len(things)
        for number, thing in enumerate(things):
            if type(thing) is not torch.Tensor:
                self._rows[number] = self._add(thing)
                continue
            if thing.numel() == 0:
                self._tell(number, thing, -1, 0)
                continue
            low, start = thing.data_ptr(), thing.untyped_storage().data_ptr()
            if start in self._collated:
                if start not in parts_of:
                    parts_of[start] = self._add(self._collated[start])
                self._tell(number, thing, parts_of[start], low - start)
                continue
            if base <= low < base + n_bytes:
                found = finder.found(None, low, _extent(thing))
                if found is not None:
                    buffer, first = found
                    # The buffer may show less than its pages.
                    view = memoryview(buffer.view.obj)[first : first + _extent(thing)]
                    self._tell(number, thing, self._add(view), 0)
                    continue
            loose.setdefault(start, []).append(number)
        flat: dict[torch.dtype, list[tuple[int, Any]]] = {}
        for numbers in loose.values():
            for together in _overlapping(things, numbers):
                tensor = things[together[0]]
                if len(together) > 1 or tensor.nbytes >= _LARGE:
                    self._copy(things, together)
                else:
                    # A clone has no gaps between its items, and their order.
                    dense = tensor if tensor.is_contiguous() else tensor.clone()
                    flat.setdefault(dense.dtype, []).append((together[0], dense))
        if flat:
            self._gather(flat)

    def _add(self, part: Any) -> int:
        self._parts.append(part)
        return len(self._parts) - 1

    def _tell(self, number: int, tensor: Any, part: int, offset: int, strides: Any = None) -> None:
        """Note where the tensor with a number is."""
        size = tuple(tensor.shape)
        self._rows[number] = part, tensor.dtype, size, strides or tensor.stride(), offset

    def _gather(self, flat: dict[torch.dtype, list[tuple[int, Any]]]) -> None:
        """Copy small tensors into one buffer, those of one type at once."""
        n_bytes = sum(tensor.nbytes for tensors in flat.values() for _, tensor in tensors)
        view = self._arena.alloc(n_bytes).view
        part = self._add(view)
        at = 0
        # The largest items first: so each is at a multiple of its size.
        for dtype in sorted(flat, key=lambda dtype: -dtype.itemsize):
            out = torch.frombuffer(
                view, dtype=dtype, offset=at, count=sum(t.numel() for _, t in flat[dtype])
            )
            torch.cat([t.as_strided((t.numel(),), (1,)) for _, t in flat[dtype]], out=out)
            for number, tensor in flat[dtype]:
                self._tell(number, tensor, part, at)
                at += tensor.nbytes

    def _copy(self, things: list[Any], numbers: list[int]) -> None:
        """Copy a tensor into a buffer of its own, or all bytes of several that share some."""
        source = things[numbers[0]]
        low = source.data_ptr()
        if len(numbers) == 1:
            # Those that a copy of it has.
            strides = torch.empty_like(source, device="meta").stride()
            n_bytes = source.nbytes
        else:
            strides = None
            n_bytes = max(things[n].data_ptr() + _extent(things[n]) for n in numbers) - low
            storage = source.untyped_storage()
            source = torch.empty(0, dtype=torch.uint8)
            source.set_(storage, low - storage.data_ptr(), (n_bytes,), (1,))
        view = self._arena.alloc(n_bytes).view
        part = self._add(view)
        _tensor_over(view, source.dtype, source.shape, strides or (1,), 0).copy_(source)
        for number in numbers:
            self._tell(number, things[number], part, things[number].data_ptr() - low, strides)


def _extent(tensor: Any) -> int:
    """The bytes from the first item of a tensor to its last."""
    sides = zip(tensor.shape, tensor.stride(), strict=True)
    items = 1 + sum(stride * (side - 1) for side, stride in sides)
    return int(items * tensor.element_size())


def _overlapping(things: list[Any], numbers: list[int]) -> list[list[int]]:
    """Divide tensors of one storage into those that are copied together, because they share bytes."""
    if len(numbers) == 1:
        return [numbers]
    ordered = sorted(numbers, key=lambda number: things[number].data_ptr())
    groups: list[list[int]] = []
    end = 0
    for number in ordered:
        low = things[number].data_ptr()
        if low < end:
            groups[-1].append(number)
        else:
            groups.append([number])
        end = max(end, low + _extent(things[number]))
    return groups


def _tensor_over(part: Any, dtype: Any, size: Any, strides: Any, offset: int) -> Any:
    """Return a tensor over bytes from an offset, which it keeps alive."""
    items = 1
    for side, stride in zip(size, strides, strict=True):
        items += stride * (side - 1)
    made = torch.frombuffer(part, dtype=dtype, count=items, offset=offset)
    # In place: a tensor that torch makes itself is not a view of another either.
    return made.as_strided_(size, strides)


class _Pickler(OutOfBand):
    """Pickles a batch; tensors, arrays and buffers stay outside, in `things`."""

    def __init__(self, arena: Arena, file: Any) -> None:
        super().__init__(arena, file, self._take)
        # In the order in which the pickle needs them.
        self.things: list[Any] = []
        # Of bytes that may be written to: the loader would ask for the bytes of others.
        self._mark = PickleBuffer(bytearray(1))

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is torch.Tensor:
            if thing.requires_grad or not _is_plain(thing) or thing.untyped_storage().is_shared():
                return NotImplemented
            return self._outside(thing)
        return super().reducer_override(thing)

    def _outside(self, thing: Any) -> Any:
        self.things.append(thing)
        return as_it_is, (self._mark,)

    def _buffer(self, buffer: Any) -> Any:
        return self._outside(buffer)

    def _view(self, view: Any) -> Any:
        return self._outside(view)

    def _array(self, np: Any, array: Any) -> Any:
        if array.dtype.hasobject or array.nbytes < SMALL:
            return NotImplemented
        return self._outside(array)

    def _take(self, exported: PickleBuffer) -> bool:
        return exported is not self._mark


class _Sent:
    """What a worker sends of a batch. It is unpickled as the batch."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


@permanent
def batch_of_message(arena_id: int, message: bytes) -> Any:
    """Return the batch that a worker sent. Raises `StaleHandle` if that worker died a minute ago."""
    data, rows, parts = load(known_by_id(arena_id), message)  # type: ignore[arg-type]
    things = [_thing(parts, row) for row in pickle.loads(rows)]
    return pickle.loads(data, buffers=things)


def _thing(parts: Sequence[Any], row: Any) -> Any:
    if type(row) is int:
        return parts[row]
    part, dtype, size, strides, offset = row
    if part < 0:
        return torch.empty_strided(size, strides, dtype=dtype, device="cpu")
    return _tensor_over(parts[part], dtype, size, strides, offset)


@permanent
def fallback_counted(data: Any, reason: str, message: str) -> Any:
    """Count that a worker sent a batch by torch's own method; return the batch."""
    fallbacks.count(reason, message)
    return data


def _teach_collate() -> None:
    """Let torch's `default_collate` collate large tensors into the batch that is being built.

    Done in workers alone, which have no other loader; user's functions that call it gain as well.
    """
    known = torch_collate.default_collate_fn_map
    if known.get(torch.Tensor) is torch_collate.collate_tensor_fn:
        known[torch.Tensor] = _collated


def _collated(tensors: list[Any], *, collate_fn_map: Any = None) -> Any:
    """Stack tensors in the arena, or in memory of this process if they are packed later."""
    batch, first = _building.batch, tensors[0]
    if batch is not None and type(first) is torch.Tensor and _is_plain(first):
        size = len(tensors), *first.shape
        n_bytes = len(tensors) * first.nbytes
        if n_bytes < _LARGE:
            out = first.new_empty(size)
        else:
            out = batch.empty(size, first.dtype, n_bytes)
        if out is not None:
            return torch.stack(tensors, 0, out=out)
    return torch_collate.collate_tensor_fn(tensors, collate_fn_map=collate_fn_map)


# -- tensors that multiprocessing sends ------------------------------------------------------------


# Not those of quantized tensors, which are more than their items, nor of parts of a byte.
_NAMES = (
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 bfloat16 complex32 "
    "complex64 complex128 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu"
)
_DTYPES = {getattr(torch, name) for name in _NAMES.split() if hasattr(torch, name)}


def _is_plain(tensor: Any) -> bool:
    """Whether a tensor is nothing but items in memory of this process."""
    return bool(
        tensor.is_cpu
        and tensor.layout is torch.strided
        and tensor.dtype in _DTYPES
        and not (tensor.is_quantized or tensor.is_nested)
        and not (tensor.is_conj() or tensor.is_neg() or tensor._is_zerotensor())
    )


def _reducer(torchs: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reducer that sends tensors in shared arenas as handles, and others as torch does."""

    def reduced(tensor: Any) -> Any:
        if sends_handles() and tensor.is_leaf and _is_plain(tensor) and tensor.numel():
            a = attached_around(tensor.data_ptr())
            if a is not None:
                try:
                    found = _reduced(a, tensor)
                except Exception as error:
                    _count(error, "a tensor in an arena was copied as torch does")
                    found = None
                if found is not None:
                    return found
        return torchs(tensor)

    return reduced


def _reduced(a: Any, tensor: Any) -> Any:
    n_bytes = _extent(tensor)
    place = Finder(a).found(None, tensor.data_ptr(), n_bytes)
    if place is None:
        return None
    buffer, start = place
    handle = tied_handle(a, buffer, start + n_bytes)
    about = tensor.dtype, tuple(tensor.shape), tensor.stride(), start
    return tensor_of_handle, (handle, type(tensor) is Parameter, *about, tensor.requires_grad)


@permanent
def tensor_of_handle(
    handle: bytes,
    is_parameter: bool,
    dtype: Any,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    requires_grad: bool,
) -> Any:
    """Claim a handle; return the tensor whose first item is at a byte. Raises `StaleHandle`."""
    tensor = _tensor_over(claim(handle).view, dtype, size, strides, offset)
    return (
        Parameter(tensor, requires_grad) if is_parameter else tensor.requires_grad_(requires_grad)
    )


for _kind in (torch.Tensor, Parameter):
    ForkingPickler.register(_kind, _reducer(ForkingPickler._extra_reducers[_kind]))  # type: ignore[attr-defined]
teach()
