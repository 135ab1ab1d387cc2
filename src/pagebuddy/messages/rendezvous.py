"""Waiting until something has a name: a kept buffer, an object, a queue, or a topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuddy.messages.deadline import deadline, is_over, sleep_ms
from pagebuddy.sharing.words import FOR_BUFFERS, FOR_OBJECTS, FOR_QUEUES, FOR_TOPICS

if TYPE_CHECKING:
    from pagebuddy.buffers.attachment import Attachment

_NAMESPACES = FOR_BUFFERS, FOR_OBJECTS, FOR_QUEUES, FOR_TOPICS


def wait_for_key(a: Attachment, key: str, timeout: float | None) -> None:
    """Return when something has this name. Raises TimeoutError."""
    end = deadline(True, timeout)
    while True:
        seen = a.announce_wait()
        if any(a.has_key(key, namespace) for namespace in _NAMESPACES):
            return
        if is_over(end):
            raise TimeoutError(
                f"nothing is called {key!r} after {timeout} seconds; keep a buffer or an object under "
                "this key, or make a queue or a topic of this name"
            )
        a.sleep_until_kept(seen, sleep_ms(end))
