"""Memory of the caller."""

from __future__ import annotations

import ctypes
import gc
import mmap
import weakref
from array import array

import pytest

from pagebuddy.memory.given import Given


@pytest.mark.parametrize(
    "memory",
    [
        bytearray(8192),
        mmap.mmap(-1, 8192),
        (ctypes.c_uint32 * 2048)(),
        array("Q", bytes(8192)),
        memoryview(bytearray(8200))[8:],
        memoryview(bytearray(8192)).cast("B", (64, 128)),
    ],
    ids=["bytearray", "mmap", "ctypes", "array", "memoryview", "matrix"],
)
def test_any_writable_buffer_can_be_used(memory):
    given = Given(memory)
    assert given.size == 8192
    given.memory[:2] = b"ab"
    assert bytes(memoryview(memory).cast("B")[:2]) == b"ab"


class Tracked(bytearray):
    """A bytearray to which a weak reference can be made."""


def test_it_keeps_the_memory_alive_and_in_place():
    memory = Tracked(4096)
    alive = weakref.ref(memory)
    given = Given(memory)
    view = given.memory[:10]
    with pytest.raises(BufferError):
        memory.append(1)
    del memory
    given.close()
    gc.collect()
    assert alive() is not None
    del view
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize(
    ("memory", "error", "reason"),
    [
        (bytes(4096), ValueError, "read-only"),
        (memoryview(bytearray(8192))[::2], ValueError, "gaps"),
        (bytearray(), ValueError, "empty"),
        ("text", TypeError, "has no buffer"),
        (4096, TypeError, "has no buffer"),
        (None, TypeError, "has no buffer"),
    ],
)
def test_unsuitable_memory_is_refused(memory, error, reason):
    with pytest.raises(error, match=reason):
        Given(memory)


def test_it_has_no_descriptor_and_no_name():
    given = Given(bytearray(4096))
    with pytest.raises(ValueError, match="no file descriptor"):
        given.fileno()
    given.publish()
    given.flush()
    assert not given.unlink()
    assert not given.shared
