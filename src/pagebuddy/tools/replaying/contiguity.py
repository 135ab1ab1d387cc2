"""How much of the free memory lies in large free blocks while a trace is replayed. Used by `replay`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pagebuddy.tools.pictures.intervals import Intervals
from pagebuddy.tools.replaying.owners import OwnerMap

# Processors and GPUs map huge pages of this size, so free blocks of it are valuable.
HUGE_PAGE = 2 << 20

N_POINTS = 16

_MOST = 256
# A look at so many pages takes about as long as an operation, with reading it from the trace.
_PAGES_AN_OPERATION = 1 << 13


class Share(NamedTuple):
    """The share of the free memory in free blocks, after a number of operations."""

    operations: int
    share: float


class Contiguity(Intervals[Share]):
    """The share of the free pages in free, aligned blocks of 2 MiB, or of a page if that is larger.

    It is computed from the live spans, so it is the same for every allocator that returns these pages,
    and looking changes nothing. 1.0 if no page is free, as for `Stats.unusable`.

    >>> import numpy as np
    >>> from pagebuddy import PageRanges
    >>> owners = OwnerMap(PageRanges([(0, 2048)]))
    >>> contiguity = Contiguity(owners, 4096)
    >>> owners.follow(np.array([True]), np.array([511], "u8"), np.array([2]))
    >>> contiguity.look()
    >>> contiguity.at_points()[-1] == 1024 / 2046
    True
    """

    def __init__(self, owners: OwnerMap, page_size: int) -> None:
        super().__init__(_MOST)
        self.owners = owners
        self.block = max(HUGE_PAGE // page_size, 1)
        self.begin(owners.n_pages, _PAGES_AN_OPERATION)

    def look(self) -> None:
        """Record the share now. O(pages)."""
        if not self.moments or self.moments[-1].operations < self.operations:
            self.append(Share(self.operations, self.owners.share_in_blocks(self.block)))

    def at_points(self) -> tuple[float, ...]:
        """The share at the 16 ends of equal parts of the operations, interpolated between looks.

        Empty if the memory has no such block. Look before, so that the last one is that of the end.
        """
        if not self.owners.n_blocks(self.block):
            return ()
        points = [self.operations * i / N_POINTS for i in range(1, N_POINTS + 1)]
        at, shares = np.array(self.moments).T
        return tuple(np.interp(points, at, shares).tolist())
