"""An object as a message of a ring, and back: short ones lie in the ring, long ones in the arena."""

from __future__ import annotations

from pickle import PicklingError
from typing import TYPE_CHECKING, Any

from pagebuddy.errors import OutOfPages, OutOfTickets
from pagebuddy.exchange.delivery import unpack
from pagebuddy.exchange.dumping import has_cloudpickle, pack, pack_by_value

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment

# Serialized objects of at most so many bytes lie in the ring.
MOST_INLINE = 4096
# The first byte of a message whose bytes lie in the last of its buffers; no body starts with it. Their
# number follows.
_ELSEWHERE = b"\xff"
_TO_INSTALL = (
    "put them into a module, or install cloudpickle, which sends functions and classes that cannot be "
    "imported: pip install cloudpickle"
)


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


def packed_anyhow(arena: Any, thing: Any, most: int) -> tuple[Any, bytes]:
    """The same; functions and classes that cannot be pickled otherwise are sent by value.

    Raises PicklingError if cloudpickle, which that needs, is not installed.
    """
    try:
        return packed_message(arena, thing, most)
    except (OutOfPages, OutOfTickets):
        raise
    except Exception as error:
        if has_cloudpickle():
            return packed_by_value(arena, thing, most)
        if isinstance(error, AttributeError | PicklingError):
            raise PicklingError(f"{error}; {_TO_INSTALL}") from error
        raise


def packed_by_value(arena: Any, thing: Any, most: int) -> tuple[Any, bytes]:
    """The same, also for functions that could be pickled by a name which the receiver does not have."""
    if not has_cloudpickle():
        raise PicklingError(
            f"workers cannot import functions of __main__, because it is not a file; {_TO_INSTALL}"
        )
    return packed_message(arena, thing, most, body=pack_by_value(arena, thing))


def unpacked_message(a: Attachment, data: bytes, pages: list[Any], readonly: bool = False) -> Any:
    """Return the object of a message. Raises what unpickling raises."""
    if data[:1] == _ELSEWHERE and pages:
        n = int.from_bytes(data[1:9], "little")
        return unpack(a, memoryview(pages.pop()).cast("B")[:n], pages, readonly=readonly)
    return unpack(a, data, pages, readonly=readonly)
