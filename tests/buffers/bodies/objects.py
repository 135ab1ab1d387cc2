"""Objects of every kind that needs no pickler, and what a receiver can tell about one."""

from __future__ import annotations

import struct

import numpy as np

NUMBERS = "?bBhHiIlLefdFD"

INLINE = {
    "None": lambda: None,
    "True": lambda: True,
    "False": lambda: False,
    "0": lambda: 0,
    "the least int": lambda: -1 << 63,
    "the largest int": lambda: (1 << 63) - 1,
    "-0.0": lambda: -0.0,
    "inf": lambda: float("inf"),
    "complex": lambda: complex(-0.0, 1e-300),
    "text": lambda: "text",
    "no text": lambda: "",
    "text not in ASCII": lambda: "größer \U0001f600",
    "half a character": lambda: "\udc80",
    "long text": lambda: "lang ß" * 2000,
    "bytes": lambda: b"\0bytes",
    "long bytes": lambda: bytes(range(256)) * 40,
    "bytearray": lambda: bytearray(b"bytes"),
    "empty tuple": lambda: (),
    "empty list": list,
    "empty dict": dict,
    "tuple": lambda: (1, "two", 3.0),
    "255 items": lambda: list(range(255)),
    "dict": lambda: {"a": 1, 2: b"b", None: 3.0, b"c": "d", 1.5: True, False: None, 2j: ""},
    **{f"array of {c}": lambda c=c: np.arange(24).astype(c).reshape(4, 6) for c in NUMBERS},
    "no items": lambda: np.zeros((3, 0, 2)),
    "no sides": lambda: np.array(7, "i2"),
    "32 sides": lambda: np.ones((1,) * 31 + (2,), "u1"),
    "order F": lambda: np.asfortranarray(np.arange(24.0).reshape(4, 6)),
    "every other": lambda: np.arange(24).reshape(4, 6)[::2, ::-3],
    "broadcast": lambda: np.broadcast_to(np.arange(3), (4, 3)),
    "read-only array": lambda: np.frombuffer(b"12345678", "i4"),
    "view": lambda: memoryview(bytearray(b"12345678")).cast("i"),
    "read-only view": lambda: memoryview(b"123456").cast("B", (2, 3)),
    "empty view": lambda: memoryview(b"").cast("d"),
}
"""Functions that make objects without buffers of an arena."""


def in_arena(arena):
    """Return objects by name that lie in an arena, of all layouts."""
    whole = arena.empty((40, 50), "i4")
    whole[...] = np.arange(2000).reshape(40, 50)
    fixed = whole[3:]
    fixed.flags.writeable = False
    buffer = arena.alloc(9000)
    buffer.view[:] = bytes(range(250)) * 36
    return {
        "whole": whole,
        "one item": whole[7, 7:8],
        "no sides": whole[7, 7:8].reshape(()),
        "transposed": whole.T,
        "backwards": whole[::-3, ::-1],
        "repeated": np.broadcast_to(whole[5], (9, 50)),
        "read-only": fixed,
        "not aligned": whole.reshape(-1).view("u1")[3:11].view("f8"),
        "through a view": np.frombuffer(memoryview(whole).cast("B")[8:400], "i4"),
        "Buffer": buffer,
        "view of a buffer": buffer.view[100:700],
        "typed view": buffer.view[:800].cast("d", (10, 10)),
        "read-only view": buffer.view.toreadonly(),
        "row": (whole, whole[1:], whole, buffer, buffer, buffer.view),
        "dict": {"a": whole, 7: whole.T, "b": buffer, "c": None, "d": np.arange(5), "e": 2.5},
    }


def told(thing):
    """Return all that a receiver can tell about an object, but where it lies."""
    if isinstance(thing, np.ndarray):
        strides = thing.strides if thing.size else ()
        # numpy's pickle of dates and times in another byte order has them in this machine's.
        is_time = thing.dtype.kind in "mM"
        own = thing.astype(thing.dtype.newbyteorder("=")) if is_time else thing
        return own.dtype.str, thing.shape, strides, thing.flags.writeable, own.tobytes()
    if isinstance(thing, memoryview):
        return thing.format, thing.shape, thing.readonly, thing.tobytes()
    if isinstance(thing, dict):
        return dict, [(told(key), told(each)) for key, each in thing.items()]
    if isinstance(thing, (tuple, list)):
        same = [[one is other for other in thing] for one in thing if type(one) is np.ndarray]
        return type(thing), [told(each) for each in thing], same
    if isinstance(thing, float):
        return struct.pack("=d", thing)
    if hasattr(thing, "offset"):
        return thing.offset, thing.nbytes, bytes(thing.view)
    return type(thing), repr(thing)


def address_of(thing):
    """Return the address of an array, or None."""
    return thing.__array_interface__["data"][0] if isinstance(thing, np.ndarray) else None
