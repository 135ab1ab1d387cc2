"""Who is alive, as `reap` asks it. Compiled, `system.pxi` has the same functions in C."""

from __future__ import annotations

import os
from typing import Any

from pagebuddy.sharing.lease import is_taken


def may_judge(a: Any) -> bool:
    """Whether this process can tell who is dead: its descriptor is the arena's, its own lease seen."""
    try:
        status = os.fstat(a.fd)
    except OSError:
        return False
    ours: bool = (status.st_dev, status.st_ino) == (a.device, a.inode)
    return ours and (a.slot == 0 or is_taken(a.fd, a.slot))


def lease_is_gone(a: Any, slot: int) -> bool:
    """Whether a slot's lease is gone."""
    try:
        return not is_taken(a.fd, slot)
    except OSError:
        return False
