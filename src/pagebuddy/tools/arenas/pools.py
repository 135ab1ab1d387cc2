"""The pools that use an arena, read without attaching or locking. Used by `stat`."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

from pagebuddy.pool.rings import HEADER_BYTES, Figures, figures_in

if TYPE_CHECKING:
    from pagebuddy.arena.looking.snapshot import Snapshot

# In an arena with more buffers, those behind are not looked at.
_MOST_BUFFERS = 20_000


def pools_of(snapshot: Snapshot) -> list[Figures]:
    """Return what the pools say of themselves, in the order of their buffers."""
    found = []
    pids = {row.slot: row.pid for row in snapshot.processes() if row.alive}
    for row in islice(snapshot.buffers(), _MOST_BUFFERS):
        if row.holders and not row.kept:
            figures = figures_in(
                os.pread(snapshot.fd, HEADER_BYTES, snapshot.layout.data_at + row.offset)
            )
            # Pages keep what was in them, until they are stored to again.
            if figures is not None and figures.pid in [pids.get(slot) for slot in row.holders]:
                found.append(figures)
    return found
