"""How a pool breaks: after the call that is being submitted, not beside it.

Before Python 3.12.1 the pool's thread breaks the pool while `submit` may be at work. A worker that is
started then is not ended, and is waited for without end.
"""

from __future__ import annotations

import sys
from threading import current_thread
from typing import Any


def break_apart(pool: Any) -> None:
    """Let the thread of a pool, where the pool breaks, wait until no call is being submitted.

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
        terminate(current_thread(), cause)

    thread.terminate_broken = terminate_apart
