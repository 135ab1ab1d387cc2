"""What the standard library makes of a buffer keeps its pages."""

import ctypes
import pickle
import struct
from dataclasses import dataclass
from typing import Any

import pytest

pytestmark = pytest.mark.one_engine  # one code serves both engines


class Record(ctypes.Structure):
    """A hundred bytes."""

    _fields_ = (("head", ctypes.c_char * 16), ("tail", ctypes.c_ubyte * 84))


@dataclass
class Holder:
    """One that keeps a view in an attribute."""

    view: Any


def part_of_released(source):
    view = memoryview(source)
    part = view[256:-256]
    view.release()
    return part


def text_of(view):
    return view.tobytes()


def read_record(record):
    return record.head + bytes(record.tail)


def joined(pieces):
    return b"".join(piece for (piece,) in pieces)


CONSUMERS = {
    "memoryview": (memoryview, bytes),
    "read-only": (lambda s: memoryview(s).toreadonly(), bytes),
    "slice": (lambda s: memoryview(s)[16:-16:3], bytes),
    "slice of a released view": (part_of_released, bytes),
    "cast": (lambda s: memoryview(s)[:9984].cast("B").cast("I"), bytes),
    "many dimensions": (lambda s: memoryview(s)[:9984].cast("B", (96, 104)), text_of),
    "iterator": (lambda s: iter(memoryview(s)), bytes),
    "attribute": (lambda s: Holder(memoryview(s)), lambda holder: bytes(holder.view)),
    "ctypes array": (lambda s: (ctypes.c_char * 10_000).from_buffer(s), lambda array: array.raw),
    "ctypes structure": (lambda s: Record.from_buffer(s, 100), read_record),
    "ctypes structure's field": (lambda s: Record.from_buffer(s, 100).tail, bytes),
    "ctypes item of an array": (lambda s: (Record * 100).from_buffer(s)[50], read_record),
    "struct.iter_unpack": (lambda s: struct.iter_unpack("100s", s), joined),
    "PickleBuffer": (pickle.PickleBuffer, lambda buffer: bytes(buffer.raw())),
    "PickleBuffer's raw view": (lambda s: pickle.PickleBuffer(s).raw(), bytes),
}


@pytest.mark.parametrize("kind", CONSUMERS)
def test_it_keeps_its_pages(prove, kind):
    prove(*CONSUMERS[kind])
