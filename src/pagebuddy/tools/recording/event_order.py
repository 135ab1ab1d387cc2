"""One order for the events of several processors, whose buffers are read one after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pagebuddy.tools.recording.timed_events import TimedEvents


class Read(NamedTuple):
    """What a reading of one processor's buffer gave; `drained` if it left nothing there."""

    events: TimedEvents
    drained: bool


class EventOrder:
    """Events by their times, given on as soon as none can come that belongs before them.

    A buffer that was drained will give only what happened after the reading, so after every time
    that an earlier round gave; one that was not drained goes on where its reading ended. The lower
    of these bounds is how far the order is known.

    >>> def at(*times):
    ...     return TimedEvents(np.array(times, "u8"), *(np.zeros(len(times), "u8"),) * 4)
    >>> order = EventOrder()
    >>> order.add([Read(at(1, 5), True), Read(at(2, 9), True)]).time.tolist()
    []
    >>> order.add([Read(at(10), True), Read(at(11), True)]).time.tolist()
    [1, 2, 5, 9]
    >>> order.rest().time.tolist()
    [10, 11]
    """

    def __init__(self) -> None:
        self._waiting = TimedEvents.joined([])
        self._latest = 0

    def add(self, round_: list[Read]) -> TimedEvents:
        """Take a round, a reading of each buffer; the events whose order is known now."""
        known = min(
            self._latest if read.drained else int(read.events.time.max(initial=0))
            for read in round_
        )
        events = TimedEvents.joined([self._waiting, *(read.events for read in round_)])
        events = events.take(np.argsort(events.time, kind="stable"))
        self._latest = max(self._latest, int(events.time.max(initial=0)))
        n = int(np.searchsorted(events.time, known, side="right"))
        self._waiting = events.take(np.arange(n, events.time.size))
        return events.take(np.arange(n))

    def rest(self) -> TimedEvents:
        """What still waits, when nothing more will come."""
        rest, self._waiting = self._waiting, TimedEvents.joined([])
        return rest
