"""Snapshots of PyTorch's memory: pickles of what `torch.cuda.memory._snapshot()` returns.

Read as data: an unpickler that knows no classes and no functions refuses a pickle that names one,
so nothing in it can run. A snapshot is a dict. Its `device_traces` have a list for each device, an
entry an event: `action`, `addr`, `size` in bytes, and more. Its `segments` are what the allocator
had got from the device when the snapshot was taken, with the `blocks` in each.

An allocation is `alloc`, its free `free_completed`: between `free_requested` and that, work queued
on the device may still use the memory. `oom` is an allocation that failed. Other actions are about
segments, or mark a place, and are left out.

The history may have started late, or have lost its beginning to its limit. What it frees without
having allocated it, and what lies in the segments at the end without having been in it, was there
before: such blocks are taken as allocated first, and counted as `assumed`.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from pagebuddy.tools.traces.content import Content, Damaged
from pagebuddy.tools.traces.events import MAX_BYTES, MAX_PFN, Events, TraceError

NAME = "PyTorch snapshot"

_AT_ONCE = 1 << 16
_ACTIONS = {"alloc": True, "free_completed": False}
_ADVICE = "take it with torch.cuda.memory._dump_snapshot, after _record_memory_history"

_Row = tuple[bool, int, int, int]
"""Is it an allocation, address, bytes, time or -1."""


class _Refused(Exception):
    """Raised for what is no plain data."""


class _DataUnpickler(pickle.Unpickler):
    """Makes numbers, texts, lists and dicts, and nothing else."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise _Refused(f"it names {module}.{name}")

    def persistent_load(self, pid: object) -> NoReturn:
        raise _Refused("it names something outside itself")


class _Wrong(Exception):
    """Raised for an entry that is none: what is wrong with it."""


def recognise(first: bytes) -> bool:
    """Does a file that starts like this hold a pickle?

    >>> recognise(pickle.dumps({})), recognise(b"op,id,bytes")
    (True, False)
    """
    return first[:1] == pickle.PROTO


def read(content: Content, device: int | None) -> Iterator[Events]:
    """The events of one device, in stretches. `TraceError` if this is no snapshot.

    The device need not be given where only one has had anything. The whole snapshot is held in
    memory: about half a kilobyte for each of its entries, and its stacks.
    """
    snapshot = _data(content)
    try:
        histories, blocks = _by_device(snapshot)
        device = _chosen(content, sorted(histories.keys() | blocks.keys()), device)
        history = _rows(histories.get(device, []))
        live = blocks.get(device, [])
    except _Wrong as wrong:
        raise content.error(None, f"this is no snapshot: {wrong}", _ADVICE) from None
    failed = sum(entry["action"] == "oom" for entry in histories.get(device, []))
    earlier = _earlier(history, live)
    yield _events(earlier)._replace(assumed=len(earlier), failed=failed)
    for start in range(0, len(history), _AT_ONCE):
        yield _events(history[start : start + _AT_ONCE])


def _data(content: Content) -> Any:
    """What was pickled."""
    try:
        return _DataUnpickler(content.stream()).load()
    except TraceError:
        raise
    except Damaged as damaged:
        raise content.error(None, damaged.found, damaged.advice) from damaged
    except _Refused as refused:
        advice = "a snapshot is plain data; nothing of this file was run"
        raise content.error(None, f"this pickle is more than data: {refused}", advice) from None
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to ask for
        kind = type(error).__name__
        found = f"the pickle cannot be read ({kind}: {error})"
        raise content.error(None, found, Damaged.advice) from error


def _by_device(snapshot: Any) -> tuple[dict[int, list[Any]], dict[int, list[_Row]]]:
    """The history, and the blocks in use at the end, of each device that has any."""
    if not (isinstance(snapshot, dict) and "device_traces" in snapshot):
        raise _Wrong("there are no device_traces")
    traces = _list_of(snapshot["device_traces"], "device_traces")
    histories = {i: _list_of(trace, f"device {i}") for i, trace in enumerate(traces) if trace}
    blocks: dict[int, list[_Row]] = {}
    for i, segment in enumerate(_list_of(snapshot.get("segments", []), "segments")):
        where = f"segment {i}"
        address = _number(segment, "address", MAX_PFN, where)
        for block in _list_of(_field(segment, "blocks", where), f"the blocks of {where}"):
            size = _number(block, "size", MAX_BYTES, f"a block of {where}")
            if str(_field(block, "state", f"a block of {where}")).startswith("active"):
                device = _number(segment, "device", MAX_PFN, where)
                blocks.setdefault(device, []).append((True, address, size, -1))
            address += size
    return histories, blocks


def _chosen(content: Content, devices: list[int], device: int | None) -> int:
    """The device to read."""
    named = ", ".join(map(str, devices))
    if device is None:
        if len(devices) > 1:
            found = f"there is the memory of devices {named}"
            raise content.error(None, found, "choose one with --device")
        return devices[0] if devices else 0
    if device not in devices:
        found = f"there is nothing of device {device}"
        raise content.error(None, found, f"there is something of: {named or 'none'}")
    return device


def _rows(history: list[Any]) -> list[_Row]:
    """The allocations and frees in a history."""
    rows = []
    for i, entry in enumerate(history):
        where = f"event {i}"
        action = _field(entry, "action", where)
        if not isinstance(action, str):
            raise _Wrong(f"the action of {where} is {_shown(action)}, not a word")
        is_alloc = _ACTIONS.get(action)
        if is_alloc is not None:
            address = _number(entry, "addr", MAX_PFN, where)
            size = _number(entry, "size", MAX_BYTES, where)
            time = _number(entry, "time_us", MAX_PFN, where) if "time_us" in entry else -1
            rows.append((is_alloc, address, size, time))
    return rows


def _earlier(history: list[_Row], live: list[_Row]) -> list[_Row]:
    """The allocations from before the history, as if just before it."""
    seen: set[int] = set()
    earlier = []
    for is_alloc, address, size, _ in history:
        if address not in seen:
            seen.add(address)
            if not is_alloc:
                earlier.append((True, address, size, -1))
    return earlier + [row for row in live if row[1] not in seen]


def _events(rows: list[_Row]) -> Events:
    is_alloc, address, size, time = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Events(
        np.array(is_alloc, np.bool_),
        np.array(address, np.uint64),
        np.array(size, np.int64),
        time=np.array(time, np.int64),
    )


def _list_of(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise _Wrong(f"{name} is {_shown(value)}, not a list")
    return value


def _field(record: Any, name: str, where: str) -> Any:
    if not isinstance(record, dict):
        raise _Wrong(f"{where} is {_shown(record)}, not a dict")
    if name not in record:
        raise _Wrong(f"{where} has no {name}")
    return record[name]


def _number(record: Any, name: str, most: int, where: str) -> int:
    value = _field(record, name, where)
    if not isinstance(value, int) or not 0 <= value <= most:
        raise _Wrong(f"{name} of {where} is {_shown(value)}, not a whole number from 0 to {most}")
    return value


def _shown(value: Any) -> str:
    """A value for a message, which has no room for a large one."""
    small = isinstance(value, int) and value.bit_length() <= 64
    return str(value) if small else f"of the type {type(value).__name__}"
