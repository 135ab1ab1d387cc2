"""How a pool breaks: after the call that is being submitted, not beside it, and whatever was cancelled.

Before Python 3.12.1 the pool's thread breaks the pool while `submit` may be at work. A worker that is
started then is not ended, and is waited for without end. And where a future was cancelled an error ends
the thread before it has told the others, whose results are waited for without end.
"""

from __future__ import annotations

import sys
from threading import current_thread
from typing import Any


def break_apart(pool: Any) -> None:
    """Let the thread of a pool break it when no call is being submitted, and pass over the cancelled.

    Called while one is being submitted, any number of times. Newer Pythons' pools do so themselves.
    """
    thread = pool._executor_manager_thread
    if sys.version_info >= (3, 12, 1) or "terminate_broken" in vars(thread):
        return
    # Not those of this thread, which would keep itself.
    terminate = type(thread).terminate_broken
    submitting, reference = thread.shutdown_lock, thread.executor_reference

    def terminate_apart(cause: Any) -> None:
        broken = reference()
        if broken is not None:
            # First, so that whoever comes now is refused: the lock is soon to be had, and what wakes
            # this thread, and has to find room, is not sent any more.
            broken._broken = "a worker of this pool died; calls need a new pool"
            del broken
            with submitting:
                pass
        _take_out_cancelled(thread.pending_work_items)
        terminate(current_thread(), cause)

    thread.terminate_broken = terminate_apart


def _take_out_cancelled(calls: dict[int, Any]) -> None:
    """Leave only calls that can fail: none whose future was cancelled, or can be from now on."""
    for number, call in list(calls.items()):
        if not call.future.running() and not call.future.set_running_or_notify_cancel():
            del calls[number]
