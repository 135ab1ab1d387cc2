"""Page events with their times, as a processor's buffer has them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TimedEvents(NamedTuple):
    """Events with their times, an entry an event.

    `time` is in the clock of the recording. An allocation that the kernel could not serve has
    `served` False and no sound `pfn`.
    """

    time: NDArray[np.uint64]
    is_alloc: NDArray[np.bool_]
    served: NDArray[np.bool_]
    pfn: NDArray[np.uint64]
    order: NDArray[np.uint8]

    @classmethod
    def joined(cls, parts: list[TimedEvents]) -> TimedEvents:
        """These events, one part behind the other.

        >>> TimedEvents.joined([]).time.size
        0
        """
        if not parts:
            return cls(*(np.empty(0, kind) for kind in ("u8", "?", "?", "u8", "u1")))
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> TimedEvents:
        """The chosen ones, in the order chosen."""
        time, is_alloc, served, pfn, order = self
        return TimedEvents(
            time[chosen], is_alloc[chosen], served[chosen], pfn[chosen], order[chosen]
        )
