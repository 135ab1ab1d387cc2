"""What the processes of the demonstration do: ordinary functions of a queue."""

from __future__ import annotations

import time
from typing import Any

from pagebuddy.errors import OutOfPages
from pagebuddy.tools.demo.video import SHAPE, Video
from pagebuddy.tools.terminal.signals import end_with_parent

ARRIVED = 1
WRONG = 2

# What ends a consumer: put into the queue for each, when all frames have arrived.
END = None

# How long a producer waits where the arena is full of frames that nobody has taken yet.
_PAUSE = 0.001


def produce(arena: Any, queue: Any, numbers: range, in_arena: bool) -> None:
    """Put the frames of these numbers into a queue, made in the arena or in memory of one's own."""
    import numpy as np

    end_with_parent()
    video = Video()
    for number in numbers:
        frame = _room_for_a_frame(arena) if in_arena else np.empty(SHAPE, "u1")
        video.paint(number, frame)
        queue.put((number, frame))


def consume(arena: Any, queue: Any) -> None:
    """Check frames out of a queue, and note in the arena which have arrived, until told to end."""
    end_with_parent()
    video = Video()
    noted = arena["arrived"].array()
    while (message := queue.get()) is not END:
        number, frame = message
        noted[number] = ARRIVED if video.is_right(number, frame) else WRONG
        del message, frame


def _room_for_a_frame(arena: Any) -> Any:
    """An array for a frame, as soon as there is room for one."""
    while True:
        try:
            return arena.empty(SHAPE, "u1")
        except OutOfPages:
            time.sleep(_PAUSE)
