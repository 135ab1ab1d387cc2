"""Attaching and forking exclude each other: a fork would copy a lease in the making."""

from __future__ import annotations

import os
import threading

# How long a fork waits for an attachment in the making, in seconds.
ATTACH_PATIENCE_S = 10.0


class ForkGate:
    """A lock that a fork takes as well, and that its child has anew."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._held = 0

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *failure: object) -> None:
        self._lock.release()

    def hold(self) -> None:
        """Before a fork: wait for whoever attaches, but not for ever."""
        if self._lock.acquire(timeout=ATTACH_PATIENCE_S):
            self._held += 1

    def give(self) -> None:
        """After a fork, in the parent."""
        if self._held:
            self._held -= 1
            self._lock.release()

    def renew(self) -> None:
        """After a fork, in the child: other threads of the parent are not here."""
        self.__init__()  # type: ignore[misc]


GATE = ForkGate()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=GATE.hold, after_in_parent=GATE.give, after_in_child=GATE.renew)
