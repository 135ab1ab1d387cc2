"""Frames: calls and results as the bytes of a message of a ring.

    calls    number of the first call, 64 bits; how many there are, bytes of the function, 32 bits each
             the function: its pickle, or nothing if each body contains it
             for each call: form, 8 bits; 0, 8 bits; number of buffers, 16 bits;
                            length of the body, 32 bits
             the bodies
    result   number of the call, 64 bits; nanoseconds that it took, 48 bits; kind, 16 bits
             a body

Bodies are those of `buffers/bodies`.
"""

from __future__ import annotations

from functools import partial
from struct import Struct
from typing import Any

HEAD = Struct("<QII")
PART = Struct("<BBHI")
RESULT = Struct("<QIHH")

# The forms of a call's body.
ARGS = 0
ARGS_AND_NAMES = 1
WHOLE_CALL = 2

# The kinds of results. A worker's number is that of its row.
VALUE = 0
FAILURE = 1
READY = 2
NOT_BEGUN = 3


class Batch:
    """Calls that are sent as one message, as `Channel.put` takes it.

    `sent` is not empty once the message was put. What marks this is built in, so that no signal is
    handled between the put and the mark.
    """

    __slots__ = ("handed", "pages", "sent", "shown")

    def __init__(self) -> None:
        self.pages: list[Any] = []
        self.shown: list[int] = []
        self.sent: list[bool] = []
        self.handed = partial(self.sent.append, True)


def frame_of(
    first: int, function: bytes, forms: list[int], counts: list[int], bodies: list[bytes]
) -> bytes:
    """Return the bytes of calls."""
    n = len(bodies)
    if n == 1:
        body = bodies[0]
        return b"".join(
            (
                HEAD.pack(first, 1, len(function)),
                function,
                PART.pack(forms[0], 0, counts[0], len(body)),
                body,
            )
        )
    parts = [HEAD.pack(first, n, len(function)), function]
    for i in range(n):
        parts.append(PART.pack(forms[i], 0, counts[i], len(bodies[i])))
    parts += bodies
    return b"".join(parts)
