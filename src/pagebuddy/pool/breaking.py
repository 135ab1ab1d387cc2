"""Ending a broken pool without a deadlock, where Python's own pool may not.

Before Python 3.12.1 the pool's thread breaks the pool even while `submit` is running. A worker that is
started at that moment is never terminated, and `shutdown` waits for it forever. If a future was
cancelled, an error ends the thread before it has failed the other futures, whose results never come.
"""

from __future__ import annotations

import sys
from threading import current_thread
from typing import Any


def break_apart(pool: Any) -> None:
    """Make a pool's thread break it only while no call is being submitted, and skip cancelled calls.

    `submit` calls this, any number of times. Pools of newer Pythons behave this way themselves.
    """
    thread = pool._executor_manager_thread
    if sys.version_info >= (3, 12, 1) or "terminate_broken" in vars(thread):
        return
    # Not bound to this thread, which would keep itself alive.
    terminate = type(thread).terminate_broken
    submitting, reference = thread.shutdown_lock, thread.executor_reference

    def terminate_apart(cause: Any) -> None:
        broken = reference()
        if broken is not None:
            # First, so that the next `submit` fails: then the lock becomes free soon, and nothing more
            # is sent to wake this thread.
            broken._broken = "a worker of this pool died; make a new pool"
            del broken
            with submitting:
                pass
        _take_out_cancelled(thread.pending_work_items)
        terminate(current_thread(), cause)

    thread.terminate_broken = terminate_apart


def _take_out_cancelled(calls: dict[int, Any]) -> None:
    """Remove the calls whose futures were cancelled; the others cannot be cancelled any more."""
    for number, call in list(calls.items()):
        if not call.future.running() and not call.future.set_running_or_notify_cancel():
            del calls[number]
