"""An object as a message of a ring, and back: short ones lie in the ring, long ones in the arena."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pagebuddy.exchange.delivery import unpack
from pagebuddy.exchange.dumping import pack

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment

# Serialized objects of at most so many bytes lie in the ring.
MOST_INLINE = 4096
# The first byte of a message whose bytes lie in the last of its buffers; no body starts with it. Their
# number follows.
_ELSEWHERE = b"\xff"


def packed_message(
    arena: Any, thing: Any, most: int, readonly: bool = False, body: Any = None
) -> tuple[Any, bytes]:
    """Return the body of an object, and the bytes for the ring, which are at most `most`.

    If the object was packed already, `body` is its body.
    """
    if body is None:
        body = pack(arena, thing, readonly=readonly)
    data = body.data
    if len(data) <= most:
        return body, data
    buffer = arena._open.alloc(len(data))
    try:
        buffer.view[:] = data
        body.add(buffer, len(data))
    finally:
        # The body holds its pages.
        buffer.release()
    return body, _ELSEWHERE + len(data).to_bytes(8, "little")


def unpacked_message(a: Attachment, data: bytes, pages: list[Any], readonly: bool = False) -> Any:
    """Return the object of a message. Raises what unpickling raises."""
    if data[:1] == _ELSEWHERE and pages:
        n = int.from_bytes(data[1:9], "little")
        return unpack(a, memoryview(pages.pop()).cast("B")[:n], pages, readonly=readonly)
    return unpack(a, data, pages, readonly=readonly)
