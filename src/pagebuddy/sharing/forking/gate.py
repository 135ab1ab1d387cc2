"""Attaching and forking exclude each other: a fork would copy a lease that is being taken."""

from __future__ import annotations

import threading

# How long a fork waits for a thread that attaches.
PATIENCE_S = 10.0


class ForkGate:
    """A lock that attaching takes, and every fork; a forked child has a new one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._held = 0

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *failure: object) -> None:
        self._lock.release()

    def hold(self) -> None:
        """Take it before a fork, which goes on without it if a thread attaches for too long."""
        if self._lock.acquire(timeout=PATIENCE_S):
            self._held += 1

    def hold_now(self) -> bool:
        """Take it if no other thread has it; whether it did. Ends with `end`."""
        return self._lock.acquire(blocking=False)

    def end(self) -> None:
        """Release it after `hold_now`."""
        self._lock.release()

    def give(self) -> None:
        """Release it after a fork, in the parent."""
        if self._held:
            self._held -= 1
            self._lock.release()

    def renew(self) -> None:
        """Make it anew after a fork, in the child: the parent's other threads are not there."""
        self.__init__()  # type: ignore[misc]
