"""Sends the video once from two producers to two consumers. Used by `demo_command`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import Any

from pagebuddy.arena.arena import Arena
from pagebuddy.tools.demo.players import ARRIVED, END, WRONG, consume, produce
from pagebuddy.tools.demo.video import FRAME_BYTES
from pagebuddy.tools.terminal.signals import starting

PRODUCERS = 2
CONSUMERS = 2

# The capacity of the queue in frames.
ON_THE_WAY = 32

_LOOK_EVERY = 0.02
_PATIENCE = 30.0


@dataclass(frozen=True)
class Passage:
    """The figures of one run. `seconds` is the time from the first frame that arrived to the last."""

    frames: int
    arrived: int
    wrong: int
    seconds: float
    killed: int | None
    pages_left: int

    @property
    def frames_a_second(self) -> float:
        """Frames per second."""
        return self.arrived / self.seconds

    @property
    def bytes_a_second(self) -> float:
        """Bytes of frames per second."""
        return self.frames_a_second * FRAME_BYTES

    def as_dict(self) -> dict[str, object]:
        """All figures by name, ready for JSON."""
        return asdict(self) | {"frames_a_second": self.frames_a_second}


def pass_video(
    frames: int,
    *,
    in_arena: bool,
    kill: bool = False,
    tell: Callable[[int], None] = lambda arrived: None,
) -> Passage:
    """Send the video through an arena's queue or `multiprocessing.Queue`; return the figures.

    With `kill`, one consumer is killed half-way by SIGKILL. `tell` is called now and then with the
    number of frames that have arrived.
    """
    context = get_context("spawn")
    with Arena((ON_THE_WAY + 2) * FRAME_BYTES + (1 << 20)) as arena:
        noted = arena.alloc(frames, zero=True, keep="arrived")
        queue = arena.queue() if in_arena else context.Queue(ON_THE_WAY)
        players = [
            context.Process(
                target=produce, args=(arena, queue, range(i, frames, PRODUCERS), in_arena)
            )
            for i in range(PRODUCERS)
        ]
        consumers = [context.Process(target=consume, args=(arena, queue)) for _ in range(CONSUMERS)]
        started = []
        try:
            with starting():
                for process in (*consumers, *players):
                    process.start()
                    started.append(process)
            seconds, killed = _watch(noted.array(), frames, consumers[0] if kill else None, tell)
            for _ in consumers:
                queue.put(END)
            for process in started:
                process.join(_PATIENCE)
        finally:
            for process in started:
                if process.is_alive():
                    process.kill()
                    process.join()
        arrived = int((noted.array() == ARRIVED).sum())
        wrong = int((noted.array() == WRONG).sum())
        queue.close()
        noted.unkeep()
        del noted
        arena.reap(unclaimed_after=0)
        arena.verify()
        return Passage(frames, arrived, wrong, seconds, killed, arena.stats().used)


def _watch(
    noted: Any, frames: int, victim: Any, tell: Callable[[int], None]
) -> tuple[float, int | None]:
    """Wait until all frames have arrived, or all but one; return seconds and the killed process."""
    begun = last_change = time.monotonic()
    first, arrived, killed = None, 0, None
    while arrived < frames:
        time.sleep(_LOOK_EVERY)
        now = time.monotonic()
        seen = int((noted != 0).sum())
        if seen != arrived:
            first = first or now
            arrived, last_change = seen, now
            tell(arrived)
        if victim is not None and killed is None and arrived >= frames // 2:
            victim.kill()
            victim.join()
            killed = victim.pid
        # The frame that the killed process was receiving does not arrive.
        if killed is not None and arrived == frames - 1 and now - last_change > 1:
            break
        if now - last_change > _PATIENCE:
            break
    return max(last_change - (first or begun), 1e-9), killed
