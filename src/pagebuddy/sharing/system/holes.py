"""Finding the holes of an arena's file, uncompiled. Compiled, `holes.pxi` has the same in C."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pagebuddy.core.words import GRANULE
from pagebuddy.sharing.system.alive import is_the_file

if TYPE_CHECKING:
    from pagebuddy.sharing.state import ArenaState

_BYTES = GRANULE * 8


def find_holes(a: ArenaState) -> bool:
    """Note the granules that are not holes; False if the system cannot tell. Needs the arena's lock.

    A granule to which nothing was stored is a hole, even if it is backed.
    """
    if not is_the_file(a, a.fd):
        return False
    start = a.layout.records_at // GRANULE * _BYTES
    end = start + ((a.n_nodes + a.skew - 1) // GRANULE + 1) * _BYTES
    a.stored[:] = memoryview(bytes(a.stored.nbytes)).cast("Q")
    at = start
    try:
        while at < end:
            at = os.lseek(a.fd, at, os.SEEK_DATA)
            stop = min(os.lseek(a.fd, at, os.SEEK_HOLE), end)
            while at < stop:
                granule = (at - start) // _BYTES
                a.stored[granule >> 6] |= 1 << (granule & 63)
                at = start + (granule + 1) * _BYTES
    except OSError as error:
        # ENXIO: no data behind. Otherwise the system cannot tell.
        return error.errno == errno.ENXIO
    return True
