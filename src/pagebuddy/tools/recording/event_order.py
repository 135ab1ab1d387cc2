"""Merges the events of several processors in order of time. Used by `record`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pagebuddy.tools.recording.timed_events import TimedEvents


class Read(NamedTuple):
    """Events read from one processor's buffer; `drained` if the buffer is empty now."""

    events: TimedEvents
    drained: bool


class EventOrder:
    """Sorts events by time, and returns them as soon as no earlier event can come.

    A drained buffer will only yield events after the reading, so after all times of earlier rounds. A
    buffer that was not drained continues where its reading ended. Events up to the lowest of these
    bounds are complete.

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
        """Add a round, a reading of each buffer; return the events that are complete now, in order."""
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
        """The remaining events, after the last round."""
        rest, self._waiting = self._waiting, TimedEvents.joined([])
        return rest
