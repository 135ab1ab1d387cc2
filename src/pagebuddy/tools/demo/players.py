"""The producer and consumer of the demonstration. Used by `passage`."""

from __future__ import annotations

import time
from typing import Any

from pagebuddy.errors import OutOfPages
from pagebuddy.tools.demo.video import SHAPE, Video
from pagebuddy.tools.terminal.signals import end_with_parent

ARRIVED = 1
WRONG = 2

# The message that ends a consumer.
END = None

# Seconds that a producer waits while the arena is full.
_PAUSE = 0.001


def produce(arena: Any, queue: Any, numbers: range, in_arena: bool) -> None:
    """Put the frames of these numbers into a queue; make them in the arena or in private memory."""
    import numpy as np

    end_with_parent()
    video = Video()
    for number in numbers:
        frame = _room_for_a_frame(arena) if in_arena else np.empty(SHAPE, "u1")
        video.paint(number, frame)
        queue.put((number, frame))


def consume(arena: Any, queue: Any) -> None:
    """Check frames from a queue, and mark in the arena which have arrived, until `END`."""
    end_with_parent()
    video = Video()
    noted = arena["arrived"].array()
    while (message := queue.get()) is not END:
        number, frame = message
        noted[number] = ARRIVED if video.is_right(number, frame) else WRONG
        del message, frame


def _room_for_a_frame(arena: Any) -> Any:
    """An array for a frame; waits while the arena is full."""
    while True:
        try:
            return arena.empty(SHAPE, "u1")
        except OutOfPages:
            time.sleep(_PAUSE)
