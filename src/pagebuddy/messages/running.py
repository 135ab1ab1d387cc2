"""Running a call that waits: asleep in its thread, or awaited in an event loop.

Such a call is a generator. It yields the value of a futex when it should sleep, and returns its result.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pagebuddy.messages.deadline import sleep_ms

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable

    from pagebuddy.messages.channel import Channel
    from pagebuddy.messages.loop import Due


def asleep(
    channel: Channel, which: int, steps: Generator[int, None, Any], end: float | None
) -> Any:
    """Return the result of a call which sleeps at a futex of the ring until a deadline."""
    try:
        while True:
            channel.sleep(which, next(steps), sleep_ms(end))
    except StopIteration as done:
        return done.value
    finally:
        # Not when a traceback is dropped: others may wait for what this one leaves.
        steps.close()


async def awaited(
    key: Hashable, channel: Channel, which: int, steps: Generator[int, None, Any], due: Due
) -> Any:
    """Return the result of a call which is awaited; `due` says when it is to look again."""
    from pagebuddy.messages.loop import changed

    try:
        while True:
            await changed(key, channel, which, next(steps), due)
    except StopIteration as done:
        return done.value
    finally:
        steps.close()


def drop_awaited(channel: Channel) -> None:
    """Let all coroutines that wait for a ring look again, and keep nothing of it for them."""
    loop = sys.modules.get("pagebuddy.messages.loop")
    if loop is not None:
        loop.drop(channel)
