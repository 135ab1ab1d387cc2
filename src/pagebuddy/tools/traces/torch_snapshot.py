"""Snapshots of PyTorch's memory: pickles of `torch.cuda.memory._snapshot()`. Used by `trace`.

The unpickler refuses every class and function, so a pickle cannot run code. A snapshot is a dict.
`device_traces` has a list of events for each device: `action`, `addr`, `size` in bytes, and more.
`segments` is the memory that PyTorch's allocator had from the device at the time of the snapshot, with
the `blocks` in each.

An allocation is `alloc`; its free is `free_completed`, because queued work may use the memory after
`free_requested`. `oom` is a failed allocation. Other actions concern segments and are skipped.

The history may begin late. Blocks that it frees without an allocation, and live blocks of the segments
that it does not mention, were allocated earlier: they become allocations at the start, counted as
`assumed`.
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
"""Whether it is an allocation; address; bytes; time, or -1."""


class _Refused(Exception):
    """A pickle contains more than plain data."""


class _DataUnpickler(pickle.Unpickler):
    """Loads only numbers, strings, lists, dicts and the like."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise _Refused(f"it names {module}.{name}")

    def persistent_load(self, pid: object) -> NoReturn:
        raise _Refused("it refers to an external object")


class _Wrong(Exception):
    """An entry of a snapshot is not valid; the text says why."""


def recognise(first: bytes) -> bool:
    """Whether a file that starts with these bytes is a pickle.

    >>> recognise(pickle.dumps({})), recognise(b"op,id,bytes")
    (True, False)
    """
    return first[:1] == pickle.PROTO


def read(content: Content, device: int | None) -> Iterator[Events]:
    """Yield the events of one device. Raises `TraceError` if the file is not a snapshot.

    `device` may be None if the snapshot has data of only one. Holds the whole snapshot in memory:
    about 0.5 kB per entry, and its stacks.
    """
    snapshot = _data(content)
    try:
        histories, blocks = _by_device(snapshot)
        device = _chosen(content, sorted(histories.keys() | blocks.keys()), device)
        history = _rows(histories.get(device, []))
        live = blocks.get(device, [])
    except _Wrong as wrong:
        raise content.error(None, f"not a snapshot of PyTorch: {wrong}", _ADVICE) from None
    failed = sum(entry["action"] == "oom" for entry in histories.get(device, []))
    earlier = _earlier(history, live)
    yield _events(earlier)._replace(assumed=len(earlier), failed=failed)
    for start in range(0, len(history), _AT_ONCE):
        yield _events(history[start : start + _AT_ONCE])


def _data(content: Content) -> Any:
    """Unpickle the content."""
    try:
        return _DataUnpickler(content.stream()).load()
    except TraceError:
        raise
    except Damaged as damaged:
        raise content.error(None, damaged.found, damaged.advice) from damaged
    except _Refused as refused:
        advice = "a snapshot is plain data; no code of this file was run"
        found = f"this pickle contains more than data: {refused}"
        raise content.error(None, found, advice) from None
    except Exception as error:  # a damaged pickle may raise any exception
        kind = type(error).__name__
        found = f"the pickle cannot be read ({kind}: {error})"
        raise content.error(None, found, Damaged.advice) from error


def _by_device(snapshot: Any) -> tuple[dict[int, list[Any]], dict[int, list[_Row]]]:
    """For each device with data: its history, and the blocks in use at the end."""
    if not (isinstance(snapshot, dict) and "device_traces" in snapshot):
        raise _Wrong("it has no device_traces")
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
    """The device to read; raises `TraceError` if it is ambiguous or missing."""
    named = ", ".join(map(str, devices))
    if device is None:
        if len(devices) > 1:
            found = f"it contains the memory of devices {named}"
            raise content.error(None, found, "select one with --device")
        return devices[0] if devices else 0
    if device not in devices:
        found = f"it has no events of device {device}"
        raise content.error(None, found, f"devices with events: {named or 'none'}")
    return device


def _rows(history: list[Any]) -> list[_Row]:
    """The allocations and frees in a history."""
    rows = []
    for i, entry in enumerate(history):
        where = f"event {i}"
        action = _field(entry, "action", where)
        if not isinstance(action, str):
            raise _Wrong(f"action of {where} is {_shown(action)}, not a string")
        is_alloc = _ACTIONS.get(action)
        if is_alloc is not None:
            address = _number(entry, "addr", MAX_PFN, where)
            size = _number(entry, "size", MAX_BYTES, where)
            time = _number(entry, "time_us", MAX_PFN, where) if "time_us" in entry else -1
            rows.append((is_alloc, address, size, time))
    return rows


def _earlier(history: list[_Row], live: list[_Row]) -> list[_Row]:
    """The allocations that happened before the history began."""
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
    """A value for a message; of large values only the type."""
    small = isinstance(value, int) and value.bit_length() <= 64
    return str(value) if small else f"of type {type(value).__name__}"
