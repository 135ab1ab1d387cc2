"""What an idle worker still refers to: the last exception that a call raised, and its arrays.

The loop of a worker keeps this exception until another call raises one.
"""

from __future__ import annotations

import sys
from threading import Lock, Timer, get_ident
from types import FrameType
from typing import Any

# In seconds.
_PATIENCE = 1.0


class LastFailure:
    """Releases the last exception of a worker with its next call, or else after a second."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_kept = False

    def keep_a_second(self, loop: FrameType) -> None:
        """Release later what the frame of the worker's loop is about to send."""
        self._is_kept = True
        self._release_later(loop, get_ident())

    def release(self, loop: FrameType) -> None:
        """Release it now: the worker's loop, in this frame, has sent it."""
        with self._lock:
            if self._is_kept:
                self._is_kept = False
                _release_in(loop)

    def _release_later(self, loop: FrameType, thread: int) -> None:
        timer = Timer(_PATIENCE, self._release_if_idle, (loop, thread))
        timer.daemon = True
        timer.start()

    def _release_if_idle(self, loop: FrameType, thread: int) -> None:
        with self._lock:
            if not self._is_kept:
                return
            if _is_sending(loop, thread):
                self._release_later(loop, thread)
            else:
                _release_in(loop)


def _is_sending(loop: FrameType, thread: int) -> bool:
    """Whether a worker's loop is still sending an exception."""
    frame = sys._current_frames().get(thread)
    while frame is not None and frame is not loop:
        if frame.f_code.co_name == "_sendback_result":
            return True
        frame = frame.f_back
    return False


def _release_in(loop: FrameType) -> None:
    names: Any = loop.f_locals
    sent = names.get("exc")
    if hasattr(sent, "exc"):
        sent.exc = None
    if type(names) is dict:
        # A copy that the frame keeps; from Python 3.13 on this is a view.
        names.clear()
