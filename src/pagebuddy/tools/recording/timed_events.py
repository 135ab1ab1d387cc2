"""Page events with their times, passed between the files of this folder."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TimedEvents(NamedTuple):
    """Page events, as arrays with one entry per event.

    `time` is in units of the recording's clock. A failed allocation has `served` False and a meaningless
    `pfn`.
    """

    time: NDArray[np.uint64]
    is_alloc: NDArray[np.bool_]
    served: NDArray[np.bool_]
    pfn: NDArray[np.uint64]
    order: NDArray[np.uint8]

    @classmethod
    def joined(cls, parts: list[TimedEvents]) -> TimedEvents:
        """Concatenate parts.

        >>> TimedEvents.joined([]).time.size
        0
        """
        if not parts:
            return cls(*(np.empty(0, kind) for kind in ("u8", "?", "?", "u8", "u1")))
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> TimedEvents:
        """Select events by index or by mask."""
        time, is_alloc, served, pfn, order = self
        return TimedEvents(
            time[chosen], is_alloc[chosen], served[chosen], pfn[chosen], order[chosen]
        )
